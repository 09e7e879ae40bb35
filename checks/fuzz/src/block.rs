//! `Block` and `Memory` alone, against a model of disjoint ranges and exact figures.

use std::alloc::Layout;

use arbitrary::{Arbitrary, Unstructured};
use epoch_arena::{Block, BlockFull, Memory, MemoryError};

use crate::faulty::{Faults, Faulty};
use crate::setup::{MemorySetup, bytes_of};

/// Runs the program of `data`.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(mut model) = Model::new(&mut input) else {
        return;
    };
    while !input.is_empty() && model.step(&mut input).is_ok() {
        model.check();
    }
    model.end();
}

struct Model {
    setup: MemorySetup,
    faults: Faults,
    memory: Memory,
    blocks: Vec<Filled>,
    seed: u64,
}

/// A block and its contents.
struct Filled {
    /// Whether it is `memory`'s.
    ours: bool,
    capacity: usize,
    used: usize,
    /// Where each allocation is and the seed of its bytes.
    taken: Vec<(usize, usize, u64)>,
    block: Block,
}

impl Model {
    fn new(input: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let setup = MemorySetup::arbitrary(input)?;
        let (source, faults) = Faulty::new(setup.plan);
        let memory = setup.build(source);
        Ok(Self {
            setup,
            faults,
            memory,
            blocks: Vec::new(),
            seed: 0,
        })
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let code = u8::arbitrary(input)?;
        let at = usize::from(u8::arbitrary(input)?);
        let at = (!self.blocks.is_empty()).then(|| at % self.blocks.len());
        match (code % 16, at) {
            (0 | 1, _) if self.blocks.len() < 12 => self.take(size(input)?),
            (2, _) if self.blocks.len() < 12 => self.own(size(input)? % 10_000, code >> 5),
            (3, _) => self.trim(usize::from(u8::arbitrary(input)?) << 10),
            (4, None) => self.prepare(),
            (4, Some(at)) => drop(self.blocks.swap_remove(at)),
            (5, Some(at)) => self.blocks[at].reset(),
            (6 | 7, Some(at)) => drop(self.blocks.remove(at)),
            (8..=10, Some(at)) => {
                let (size, align) = (size(input)?, 1_usize << (u8::arbitrary(input)? % 18));
                self.seed += 1;
                self.blocks[at].alloc(size, align, self.seed);
            }
            (11..=13, Some(at)) => {
                self.seed += 1;
                self.blocks[at].copy(size(input)? % 100_000, self.seed);
            }
            (14 | 15, Some(at)) => {
                let (size, align) = (size(input)?, 1 << (u8::arbitrary(input)? % 14));
                self.seed += 1;
                self.blocks[at].uninit(size, align, self.seed);
            }
            _ => {}
        }
        Ok(())
    }

    /// A block of the memory's.
    fn take(&mut self, bytes: usize) {
        let unit = self.setup.block as u128;
        let size = (bytes.max(1) as u128).next_multiple_of(unit);
        let in_use = self.in_use() as u128;
        let failures = self.faults.failures();
        match self.memory.block(bytes) {
            Ok(block) => {
                assert_eq!(block.capacity() as u128, size);
                assert_eq!(block.region().base().addr().get() % 4096, 0);
                self.blocks.push(Filled::new(block, true));
            }
            Err(MemoryError::OverBudget(_)) => {
                let budget = self.setup.budget.expect("there is a budget") as u128;
                assert!(
                    in_use + size > budget,
                    "{in_use} + {size} are within {budget}"
                );
            }
            Err(MemoryError::TooLarge) => assert!(size > isize::MAX as u128 - 4096),
            Err(MemoryError::Source(_)) => {
                // Without a budget a request may be larger than any heap.
                assert!(self.faults.failures() > failures || size > 1 << 30);
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// A block of its own, of the heap.
    fn own(&mut self, bytes: usize, shift: u8) {
        let layout = Layout::from_size_align(bytes, 1 << shift).expect("small");
        let block = Block::new(layout).expect("the heap has that much");
        assert!(block.capacity() == bytes && block.used() == 0);
        self.blocks.push(Filled::new(block, false));
    }

    fn trim(&mut self, keep: usize) {
        let before = self.memory.stats();
        let given = self.memory.trim(keep);
        let after = self.memory.stats();
        assert_eq!(before.free - after.free, given);
        assert_eq!(before.reserved - after.reserved, given);
        assert!(after.free <= keep && after.in_use == before.in_use);
    }

    fn prepare(&self) {
        let before = self.memory.stats();
        let added = self.memory.prepare();
        assert_eq!(self.memory.stats().free, before.free + added);
    }

    fn in_use(&self) -> usize {
        let ours = self.blocks.iter().filter(|block| block.ours);
        ours.map(|block| block.capacity).sum()
    }

    fn check(&self) {
        let stats = self.memory.stats();
        assert_eq!(stats.in_use, self.in_use());
        assert_eq!(stats.reserved, stats.in_use + stats.free);
        assert_eq!(stats.reserved, self.faults.outstanding());
        assert!(stats.free <= self.setup.most_kept());
        assert_eq!(stats.budget, self.setup.budget);
        assert!(stats.reserved <= stats.budget.unwrap_or(usize::MAX));
    }

    fn end(self) {
        let Self {
            memory,
            blocks,
            faults,
            ..
        } = self;
        // A block keeps its memory's parts alive.
        drop(memory);
        drop(blocks);
        assert_eq!(faults.outstanding(), 0);
    }
}

impl Filled {
    fn new(block: Block, ours: bool) -> Self {
        let capacity = block.capacity();
        Self {
            ours,
            capacity,
            used: 0,
            taken: Vec::new(),
            block,
        }
    }

    fn alloc(&mut self, size: usize, align: usize, seed: u64) {
        let Ok(layout) = Layout::from_size_align(size, align) else {
            return;
        };
        let given = self.block.alloc(layout).map(|bytes| {
            let first = bytes.cast::<u8>();
            assert_eq!(bytes.len(), size);
            for (at, byte) in bytes_of(seed, size).into_iter().enumerate() {
                // SAFETY: the block gave these `size` bytes to this call alone.
                let to = unsafe { first.add(at) };
                // SAFETY: as above.
                unsafe { to.write(byte) };
            }
            first.addr().get()
        });
        self.given(given, size, align, seed);
    }

    fn copy(&mut self, size: usize, seed: u64) {
        let bytes = bytes_of(seed, size);
        let given = self.block.alloc_copy(&bytes).map(|copy| {
            assert_eq!(copy, bytes);
            copy.as_ptr().addr()
        });
        self.given(given, size, 1, seed);
    }

    fn uninit(&mut self, size: usize, align: usize, seed: u64) {
        let Ok(layout) = Layout::from_size_align(size, align) else {
            return;
        };
        let given = self.block.alloc_uninit(layout).map(|room| {
            assert_eq!(room.len(), size);
            for (to, from) in room.iter_mut().zip(bytes_of(seed, size)) {
                to.write(from);
            }
            room.as_ptr().addr()
        });
        self.given(given, size, align, seed);
    }

    /// Compares the answer of the block with the right one: the next aligned address, if the
    /// bytes fit behind it.
    fn given(&mut self, given: Result<usize, BlockFull>, size: usize, align: usize, seed: u64) {
        let base = self.base();
        let start = (base + self.used).next_multiple_of(align) - base;
        let fits = start as u128 + size as u128 <= self.capacity as u128;
        match given {
            Ok(address) => {
                assert!(fits && address == base + start);
                self.used = start + size;
                self.taken.push((start, size, seed));
            }
            Err(full) => assert!(!fits && full.remaining == self.capacity - self.used),
        }
        assert_eq!(self.block.used(), self.used);
        assert_eq!(self.block.remaining(), self.capacity - self.used);
    }

    fn base(&self) -> usize {
        self.block.region().base().addr().get()
    }

    fn reset(&mut self) {
        self.check();
        self.block.reset();
        self.taken.clear();
        self.used = 0;
    }

    /// Every allocation holds the bytes that were written to it.
    fn check(&self) {
        for (start, len, seed) in &self.taken {
            // SAFETY: inside the block.
            let first = unsafe { self.block.region().base().add(*start) };
            // SAFETY: an allocation of this block since its last reset, all written, and nothing
            // borrows it.
            let bytes = unsafe { std::slice::from_raw_parts(first.as_ptr(), *len) };
            assert!(bytes == bytes_of(*seed, *len), "overwritten");
        }
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// A size that fits, mostly; at times one that is near the end of the address space.
fn size(input: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    let small = usize::from(u16::arbitrary(input)?);
    Ok(match u8::arbitrary(input)? {
        0..150 => small % 200,
        150..200 => small % 5000,
        200..240 => small * 3,
        240..248 => (isize::MAX as usize).wrapping_sub(small),
        _ => usize::MAX - small,
    })
}
