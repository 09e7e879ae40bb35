//! `Chunks`: the chunks of several arenas over one memory, under one lock.
//!
//! A block is taken whole and split into halves until a chunk of the wanted class is there; the
//! other halves wait on the free lists. A reclaimed arena's chunks go there list by list. Halves
//! are never joined one by one: `trim` gives up blocks whose chunks are all free, and a block
//! comes back whole.
//!
//! The lock is taken once per refill, two shared writes, as long as there are free chunks. It is a
//! leaf: nothing else is called while it is held, neither the memory nor its source.

use epoch_arena_block::{Block, Memory, MemoryError, SourceError};

use crate::chunk::{Chunk, HEADER};
use crate::class::{CLASSES, Class, GROWTH_CLASSES, Request};
use crate::list::{List, Listed};
use crate::sync::{Mutex, lock};

/// Bytes in a chunk are counted by 32 bits.
const LARGEST: usize = u32::MAX as usize;

/// The chunks of `arenas` arenas, named by index.
pub struct Chunks {
    memory: Memory,
    inner: Mutex<Inner>,
}

/// Invariant: every chunk that exists is on exactly one list, of `free`, `free_large` or one
/// arena; its block is in `blocks`, at the index in its header; the lists' bytes add up to
/// `reserved`, the bytes of `blocks`.
struct Inner {
    /// Bytes of the smallest block; a larger one is a whole multiple of it.
    unit: usize,
    blocks: Vec<Entry>,
    reserved: usize,
    free: [List; CLASSES],
    /// Chunks that are a block of several units, of any size.
    free_large: List,
    arenas: Box<[Held]>,
}

#[derive(Default)]
struct Entry {
    block: Option<Block>,
    /// Scratch of `trim` and `usage`; zero outside.
    mark: usize,
}

/// What one arena holds.
#[derive(Default)]
struct Held {
    /// One list per growth class, so that a reclaim is one splice per class, however many chunks.
    classes: [List; GROWTH_CLASSES],
    /// The few that are larger, each for one oversize allocation.
    large: List,
}

/// Figures of one arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Chunks it has.
    pub chunks: usize,
    /// Distinct blocks they are in.
    pub blocks: usize,
    /// Bytes of the chunks.
    pub capacity: usize,
    /// Bytes claimed in them, headers and padding included.
    pub used: usize,
    /// Bytes that callers asked for.
    pub payload: usize,
    /// Allocations.
    pub allocations: usize,
}

/// Figures of all arenas together, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of the blocks.
    pub reserved: usize,
    /// Bytes of chunks that no arena has.
    pub free: usize,
    /// Blocks.
    pub blocks: usize,
}

impl Chunks {
    /// Chunks for `arenas` arenas; nothing is reserved yet.
    pub fn new(memory: &Memory, arenas: usize) -> Self {
        Self {
            memory: memory.clone(),
            inner: Mutex::new(Inner {
                unit: memory.block_size(),
                blocks: Vec::new(),
                reserved: 0,
                free: Default::default(),
                free_large: List::default(),
                arenas: (0..arenas).map(|_| Held::default()).collect(),
            }),
        }
    }

    /// The memory that the blocks come from.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// An empty chunk for `arena`, of `total` bytes or more: a free one if there is any, after
    /// `reclaim` if need be; new memory last. It stays the arena's until [`reclaim`](Self::reclaim).
    ///
    /// Racing threads may each bring a block where one would do; it waits in the memory then.
    pub fn take(
        &self,
        arena: usize,
        total: usize,
        request: Request,
        reclaim: impl FnOnce(),
    ) -> Result<Chunk, MemoryError> {
        if total > self.memory.block_size() {
            return self.take_large(arena, total, reclaim);
        }
        if let Some(chunk) = lock(&self.inner).take(arena, request) {
            return Ok(chunk);
        }
        reclaim();
        if let Some(chunk) = lock(&self.inner).take(arena, request) {
            return Ok(chunk);
        }
        // Before the lock, so that an unused one is dropped after it.
        let mut block = self.new_block(1).map(Some);
        let mut inner = lock(&self.inner);
        // Another thread may have brought a block meanwhile, be it the last that the budget has.
        if let Some(chunk) = inner.take(arena, request) {
            return Ok(chunk);
        }
        let block = block.as_mut().map_err(|refused| *refused)?;
        let fresh = inner.enter(block)?;
        inner.free(fresh);
        // A whole block is enough for whatever is not larger than one.
        inner.take(arena, request).ok_or(MemoryError::TooLarge)
    }

    fn take_large(
        &self,
        arena: usize,
        total: usize,
        reclaim: impl FnOnce(),
    ) -> Result<Chunk, MemoryError> {
        if total > LARGEST {
            return Err(MemoryError::TooLarge);
        }
        reclaim();
        if let Some(chunk) = lock(&self.inner).take_large(arena, total) {
            return Ok(chunk);
        }
        let mut block = Some(self.new_block(total)?);
        let mut inner = lock(&self.inner);
        let chunk = inner.enter(&mut block)?;
        Ok(inner.hand_out(arena, chunk))
    }

    /// A block from the memory. At the budget's limit, blocks of which all chunks are free are
    /// given up for it first.
    fn new_block(&self, bytes: usize) -> Result<Block, MemoryError> {
        match self.memory.block(bytes) {
            Err(MemoryError::OverBudget) if self.trim() > 0 => self.memory.block(bytes),
            answer => answer,
        }
    }

    /// Takes a chunk back that `arena` was given last or nearly so.
    ///
    /// # Safety
    ///
    /// Nobody has claimed bytes of it, nor will.
    pub(crate) unsafe fn give_back(&self, arena: usize, chunk: Chunk) {
        lock(&self.inner).give_back(arena, chunk);
    }

    /// Puts all chunks of `arena` on the free lists; returns their bytes. Constant time, apart
    /// from oversize chunks.
    ///
    /// # Safety
    ///
    /// Nobody reads or claims bytes of these chunks any more, nor will.
    pub unsafe fn reclaim(&self, arena: usize) -> usize {
        lock(&self.inner).reclaim(arena)
    }

    /// Returns the blocks of which every chunk is free to the memory; returns their bytes.
    ///
    /// Walks all free chunks, under the lock: for `maintain`, and for a put only where it would be
    /// refused otherwise.
    pub fn trim(&self) -> usize {
        let blocks = lock(&self.inner).trim();
        // Dropped here, with no lock held: each goes back to the memory.
        blocks.iter().map(Block::capacity).sum()
    }

    /// Figures of `arena`; walks its chunks, under the lock.
    pub fn usage(&self, arena: usize) -> Usage {
        lock(&self.inner).usage(arena)
    }

    /// Bytes of the chunks that `arena` has. Constant time.
    pub fn bytes(&self, arena: usize) -> usize {
        lock(&self.inner).arenas[arena].bytes()
    }

    /// Figures of all. Linear in the blocks.
    pub fn totals(&self) -> Totals {
        let inner = lock(&self.inner);
        Totals {
            reserved: inner.reserved,
            free: inner.free_bytes(),
            blocks: inner.blocks.iter().filter(|e| e.block.is_some()).count(),
        }
    }

    /// Bytes of the blocks that are in physical memory; `None` where the system does not tell.
    pub fn resident(&self) -> Option<usize> {
        let regions: Vec<_> = {
            let inner = lock(&self.inner);
            let blocks = inner.blocks.iter().filter_map(|e| e.block.as_ref());
            blocks.map(|b| (b.region().base(), b.capacity())).collect()
        };
        // With no lock held, as it may take long: a block given up meanwhile counts for what is
        // mapped in its place now.
        regions
            .into_iter()
            .map(|(base, len)| epoch_arena_block::resident_bytes(base, len))
            .sum()
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks")
            .field("memory", &self.memory)
            .field("totals", &self.totals())
            .finish()
    }
}

impl Inner {
    /// A free chunk of the wanted class, split off a larger one if need be; else the largest
    /// smaller one that is enough.
    fn take(&mut self, arena: usize, request: Request) -> Option<Chunk> {
        let (wanted, least) = (request.wanted.index(), request.least.index());
        let holds_one = |class: &usize| !self.free[*class].is_empty();
        let class = (wanted..CLASSES)
            .find(holds_one)
            .or_else(|| (least..wanted).rev().find(holds_one))?;
        let chunk = self.free[class].pop()?;
        let (start, block) = (chunk.live().start(), chunk.live().block());
        let mut size = chunk.live().size();
        for class in (wanted..class).rev() {
            size /= 2;
            // SAFETY: inside the chunk, which is twice as large still.
            let middle = unsafe { start.add(size) };
            // SAFETY: 1. the upper half of a free chunk, which is nobody's and on no list now;
            // aligned, as sizes are multiples of 4 KiB. 2. A class's size.
            let half = unsafe { Chunk::create(middle, size as u32, block) };
            // SAFETY: created above, in a block that is held.
            self.free[class].push(unsafe { Listed::new(half) });
        }
        // SAFETY: 1. and 2. as above, for the lower part that is left.
        let chunk = unsafe { Chunk::create(start, size as u32, block) };
        // SAFETY: as for the halves.
        Some(self.hand_out(arena, unsafe { Listed::new(chunk) }))
    }

    /// The smallest free block of several units that is enough.
    fn take_large(&mut self, arena: usize, total: usize) -> Option<Chunk> {
        let mut best = usize::MAX;
        self.free_large.for_each(|live| {
            if (total..best).contains(&live.size()) {
                best = live.size();
            }
        });
        let chunk = self.free_large.remove_first(|live| live.size() == best)?;
        let live = chunk.live();
        // SAFETY: 1. a free chunk, which is nobody's and on no list now; 2. it had its size.
        let fresh = unsafe { Chunk::create(live.start(), live.size() as u32, live.block()) };
        // SAFETY: created above, in a block that is held.
        Some(self.hand_out(arena, unsafe { Listed::new(fresh) }))
    }

    /// Enters `block` and makes all of it one chunk. On failure the block stays the caller's.
    fn enter(&mut self, block: &mut Option<Block>) -> Result<Listed, MemoryError> {
        let index = match self.blocks.iter().position(|entry| entry.block.is_none()) {
            Some(index) => index,
            None => {
                let room = self.blocks.try_reserve(1);
                room.map_err(|_| SourceError::OutOfMemory)?;
                self.blocks.push(Entry::default());
                self.blocks.len() - 1
            }
        };
        let block = self.blocks[index]
            .block
            .insert(block.take().ok_or(SourceError::OutOfMemory)?);
        let (start, size) = (block.region().base(), block.capacity());
        self.reserved += size;
        // SAFETY: 1. the block is ours, whole and unshared, and page-aligned as `Memory` checks;
        // 2. a block has at least 4096 bytes.
        let chunk = unsafe { Chunk::create(start, size as u32, index as u32) };
        // SAFETY: created above, in a block that is held from here on, until `trim` has all its
        // chunks off every list.
        Ok(unsafe { Listed::new(chunk) })
    }

    fn hand_out(&mut self, arena: usize, chunk: Listed) -> Chunk {
        let handed = chunk.chunk();
        let held = &mut self.arenas[arena];
        let list = class_of(&chunk, self.unit).and_then(|class| held.classes.get_mut(class));
        list.unwrap_or(&mut held.large).push(chunk);
        handed
    }

    fn free(&mut self, chunk: Listed) {
        match class_of(&chunk, self.unit) {
            Some(class) => self.free[class].push(chunk),
            None => self.free_large.push(chunk),
        }
    }

    fn give_back(&mut self, arena: usize, chunk: Chunk) {
        let held = &mut self.arenas[arena];
        let mut lists = held.classes.iter_mut().chain([&mut held.large]);
        let found = lists.find_map(|list| list.remove_first(|live| live.is(chunk)));
        drop(lists);
        if let Some(found) = found {
            self.free(found);
        }
    }

    fn reclaim(&mut self, arena: usize) -> usize {
        let held = std::mem::take(&mut self.arenas[arena]);
        let bytes = held.bytes();
        for (free, list) in self.free.iter_mut().zip(held.classes) {
            free.append(list);
        }
        let mut large = held.large;
        while let Some(chunk) = large.pop() {
            self.free(chunk);
        }
        bytes
    }

    fn trim(&mut self) -> Vec<Block> {
        let mut given = Vec::new();
        // Without room for the answer nothing is given up; the next trim may do better.
        if given.try_reserve(self.blocks.len()).is_err() {
            return given;
        }
        let Self { blocks, free, .. } = self;
        for list in free.iter().chain([&self.free_large]) {
            list.for_each(|live| blocks[live.block() as usize].mark += live.size());
        }
        let all_free = |entry: &Entry| {
            let block = entry.block.as_ref();
            block.is_some_and(|block| block.capacity() == entry.mark)
        };
        for list in free.iter_mut().chain([&mut self.free_large]) {
            let mut all = std::mem::take(list);
            while let Some(chunk) = all.pop() {
                if !all_free(&blocks[chunk.live().block() as usize]) {
                    list.push(chunk);
                }
            }
        }
        for entry in blocks {
            if all_free(entry) {
                given.extend(entry.block.take());
            }
            entry.mark = 0;
        }
        self.reserved -= given.iter().map(Block::capacity).sum::<usize>();
        given
    }

    fn usage(&mut self, arena: usize) -> Usage {
        let mut usage = Usage::default();
        let Self { blocks, arenas, .. } = self;
        for list in arenas[arena].lists() {
            list.for_each(|live| {
                let (allocations, used, payload) = live.usage();
                usage.chunks += 1;
                usage.capacity += live.size();
                usage.used += used;
                usage.payload += payload;
                usage.allocations += allocations;
                let entry = &mut blocks[live.block() as usize];
                usage.blocks += usize::from(entry.mark == 0);
                entry.mark = 1;
            });
        }
        blocks.iter_mut().for_each(|entry| entry.mark = 0);
        usage
    }

    fn free_bytes(&self) -> usize {
        let lists = self.free.iter().chain([&self.free_large]);
        lists.map(|list| list.bytes).sum()
    }
}

/// The index of a chunk's class; `None` if it is a block of several units.
fn class_of(chunk: &Listed, unit: usize) -> Option<usize> {
    let size = chunk.live().size();
    (size <= unit).then(|| Class::of(size).index())
}

impl Held {
    fn lists(&self) -> impl Iterator<Item = &List> {
        self.classes.iter().chain([&self.large])
    }

    fn bytes(&self) -> usize {
        self.lists().map(|list| list.bytes).sum()
    }
}

/// Bytes to ask for when `len` bytes at `align` are to fit a new chunk, header included.
pub(crate) fn total(len: usize, align: usize) -> Option<usize> {
    HEADER.checked_add(align - 1)?.checked_add(len)
}
