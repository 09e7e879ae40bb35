//! The settings of memories and pools that a program begins with, and the bytes it writes.

use arbitrary::{Arbitrary, Result, Unstructured};
use epoch_arena::crossbeam_epoch::Collector;
use epoch_arena::{Alignment, ArenaPool, KeyWriter, MAX_LEN, Memory};

use crate::faulty::Faulty;
use crate::replay::mix;

/// A memory: small blocks, perhaps a budget, perhaps faults.
#[derive(Clone, Copy, Debug)]
pub struct MemorySetup {
    /// Blocks of 4 KiB to 64 KiB.
    pub block: usize,
    /// The budget, if there is one.
    pub budget: Option<usize>,
    high_water: usize,
    prefault: usize,
    /// Calls of the source that fail; see [`Faulty`].
    pub plan: u32,
}

impl Arbitrary<'_> for MemorySetup {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let [shape, budget, kept]: [u8; 3] = input.arbitrary()?;
        let block = 4096 << (shape % 5);
        let plan = if shape >= 128 { input.arbitrary()? } else { 0 };
        Ok(Self {
            block,
            // Odd bytes, too: a budget need not be a multiple of anything.
            budget: (budget >= 64).then(|| block + usize::from(budget - 64) * block / 16),
            high_water: usize::from(kept % 64) * 4096,
            prefault: usize::from(kept / 64) * block,
            plan,
        })
    }
}

impl MemorySetup {
    /// The memory, over `source`.
    pub fn build(&self, source: Faulty) -> Memory {
        let builder = Memory::builder().source(source).block_size(self.block);
        let builder = builder.high_water(self.high_water).prefault(self.prefault);
        match self.budget {
            Some(budget) => builder.budget(budget),
            None => builder,
        }
        .build()
        .expect("valid settings")
    }

    /// The most bytes of free blocks that are kept.
    pub fn most_kept(&self) -> usize {
        self.high_water.max(self.prefault)
    }
}

/// Whose guards protect a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guards {
    /// A collector that only this pool has.
    Own,
    /// The collector that several pools and the user share.
    Shared,
}

/// A pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolSetup {
    /// Which of the two memories.
    pub memory: usize,
    /// Whose guards.
    pub guards: Guards,
    /// Epochs that stay live.
    pub retained: usize,
    /// The most bytes of a key.
    pub longest_key: usize,
    /// The alignment of a key.
    pub align: usize,
    /// The treatment of reclaimed bytes.
    pub scrub: Scrub,
}

/// The treatment of reclaimed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrub {
    /// They stay as they are.
    Leave,
    /// They are overwritten.
    Poison,
    /// They become zeros.
    Zero,
    /// They are never used again.
    Quarantine,
}

impl Arbitrary<'_> for PoolSetup {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let [whose, epochs, scrub]: [u8; 3] = input.arbitrary()?;
        let retained = usize::from(epochs % 4) + 1;
        Ok(Self {
            memory: usize::from(whose & 1),
            guards: if whose & 2 == 0 {
                Guards::Own
            } else {
                Guards::Shared
            },
            retained,
            longest_key: if whose & 4 == 0 { 256 } else { 20 },
            align: 1 << (whose >> 3 & 15).min(7),
            scrub: match scrub % 8 {
                0..=3 => Scrub::Leave,
                4 | 5 => Scrub::Poison,
                6 => Scrub::Zero,
                _ => Scrub::Quarantine,
            },
        })
    }
}

impl PoolSetup {
    /// How its keys are made.
    pub fn keys(&self) -> KeyWriter {
        let align = Alignment::new(self.align).expect("a power of two");
        KeyWriter::new().max_len(self.longest_key).alignment(align)
    }

    /// The pool, over one of the memories.
    pub fn build(&self, memories: &[Memory], shared: &Collector) -> ArenaPool {
        let builder = ArenaPool::builder()
            .memory(memories[self.memory].clone())
            .retained_epochs(self.retained as u32)
            .poison_on_reclaim(self.scrub == Scrub::Poison)
            .zero_on_reclaim(self.scrub == Scrub::Zero)
            .quarantine(self.scrub == Scrub::Quarantine);
        match self.guards {
            Guards::Own => builder,
            Guards::Shared => builder.collector(shared.clone()),
        }
        .build()
        .expect("valid settings")
    }
}

/// The length of an allocation: short, mostly; more than a chunk, more than a block, or more than
/// there can be, at times.
#[derive(Clone, Copy, Debug)]
pub struct Len(pub usize);

impl Arbitrary<'_> for Len {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self(match input.arbitrary::<u8>()? {
            len @ 0..160 => usize::from(len),
            len @ 160..240 => usize::from(len - 159) * 61,
            // Around the sizes of chunks and blocks, header and all.
            len @ 240..252 => (4096 << ((len - 240) / 2)) - 64 * usize::from(len % 2),
            252 => MAX_LEN + 1,
            253 => usize::MAX,
            254 => 4096 - 65,
            255 => 4096 - 63,
        }))
    }
}

/// The bytes of allocation `seed`: no two allocations have the same, if they are long enough.
pub fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, part) in bytes.chunks_mut(8).enumerate() {
        let word = mix(seed << 20 | at as u64).to_le_bytes();
        part.copy_from_slice(&word[..part.len()]);
    }
    bytes
}
