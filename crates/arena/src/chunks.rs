//! `Chunks`: the chunks of several arenas over one memory.
//!
//! A block is taken whole and split into halves until a chunk of the wanted class is there; the
//! other halves wait on the free lists. A reclaimed arena's chunks go there list by list. Halves
//! are never joined one by one: `trim` gives up blocks whose chunks are all free, and a block
//! comes back whole.
//!
//! The lists are kept by lanes, each with a lock of its own. A thread keeps to one lane, and what
//! it filled comes back to it: still in its cache, and without waiting for others. A lane that
//! has run out takes half of what another has, before there is new memory.
//!
//! A refill takes one lock once, two shared writes, as long as its lane has free chunks. The order
//! of locks is lanes by index, then the ledger; nothing else is called while one is held, neither the
//! memory nor its source.

use epoch_arena_block::{Block, Memory, MemoryError, SourceError, protect};

use crate::chunk::{Chunk, HEADER};
use crate::class::{CLASSES, Class, GROWTH_CLASSES, Request};
use crate::list::{List, Listed};
use crate::scrub::Scrub;
use crate::sync::{Mutex, MutexGuard, lock};

/// The chunks of `arenas` arenas, named by index.
///
/// Invariant: every chunk that exists is on exactly one list of one lane, or in the hands of a
/// thread that moves it to one, or in quarantine; its block is in the ledger, at the index in its
/// header.
pub struct Chunks {
    memory: Memory,
    scrub: Scrub,
    ledger: Mutex<Ledger>,
    lanes: Box<[Padded]>,
}

/// The blocks that the chunks are in.
#[derive(Default)]
struct Ledger {
    blocks: Vec<Entry>,
    /// Bytes of the blocks.
    reserved: usize,
}

#[derive(Default)]
struct Entry {
    block: Option<Block>,
    /// Scratch of `trim` and `usage`; zero outside.
    mark: usize,
}

/// Alone on its cache lines, so that lanes do not disturb each other.
#[repr(align(128))]
struct Padded(Mutex<Lane>);

/// The lists of some of the threads.
struct Lane {
    /// Bytes of the smallest block; a larger one is a whole multiple of it.
    unit: usize,
    free: [List; CLASSES],
    /// Chunks that are a block of several units, of any size.
    free_large: List,
    arenas: Box<[Held]>,
    /// Bytes of chunks in quarantine: on no list, never used again.
    quarantined: usize,
}

/// What one arena holds in one lane.
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
    /// Bytes of chunks that no arena has, ready for use.
    pub free: usize,
    /// Bytes of chunks that are never used again.
    pub quarantined: usize,
    /// Blocks.
    pub blocks: usize,
}

impl Chunks {
    /// Chunks for `arenas` arenas, in `lanes` lanes, at least one; nothing is reserved yet.
    pub fn new(memory: &Memory, arenas: usize, lanes: usize, scrub: Scrub) -> Self {
        let lane = |_| {
            Padded(Mutex::new(Lane {
                unit: memory.block_size(),
                free: Default::default(),
                free_large: List::default(),
                arenas: (0..arenas).map(|_| Held::default()).collect(),
                quarantined: 0,
            }))
        };
        Self {
            memory: memory.clone(),
            scrub,
            ledger: Mutex::new(Ledger::default()),
            lanes: (0..lanes.max(1)).map(lane).collect(),
        }
    }

    /// The memory that the blocks come from.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// An empty chunk for `arena`, of `total` bytes or more, for a thread of this `lane` (any
    /// number): a free one if there is any, after `reclaim` if need be; new memory last. It stays
    /// the arena's until [`reclaim`](Self::reclaim).
    ///
    /// Racing threads may each bring a block where one would do: an unused one waits in the
    /// memory, at most one per lane in the pool.
    pub fn take(
        &self,
        arena: usize,
        lane: usize,
        total: usize,
        request: Request,
        reclaim: impl FnOnce(),
    ) -> Result<Chunk, MemoryError> {
        if total > self.memory.block_size() {
            return self.take_large(arena, lane, total, reclaim);
        }
        if let Some(chunk) = self.take_free(arena, lane, request) {
            return Ok(chunk);
        }
        reclaim();
        if let Some(chunk) = self.take_free(arena, lane, request) {
            return Ok(chunk);
        }
        // Before the lock, so that an unused one is dropped after it.
        let mut block = self.new_block(1).map(Some);
        // Another thread may have brought a block meanwhile, be it the last that the budget has.
        if let Some(chunk) = self.take_free(arena, lane, request) {
            return Ok(chunk);
        }
        let mut home = self.lane(lane);
        if let Some(chunk) = home.take(arena, request) {
            return Ok(chunk);
        }
        let fresh = self.enter(block.as_mut().map_err(|refused| *refused)?)?;
        home.free(fresh);
        // A whole block is enough for whatever is not larger than one.
        home.take(arena, request).ok_or(MemoryError::TooLarge)
    }

    fn lane(&self, lane: usize) -> MutexGuard<'_, Lane> {
        lock(&self.lanes[lane % self.lanes.len()].0)
    }

    /// A free chunk: of the thread's lane, or half of what another lane has.
    fn take_free(&self, arena: usize, lane: usize, request: Request) -> Option<Chunk> {
        if let Some(chunk) = self.lane(lane).take(arena, request) {
            return Some(chunk);
        }
        let mut others = (1..self.lanes.len()).map(|step| lane.wrapping_add(step));
        let shared = others.find_map(|other| self.lane(other).share(request))?;
        let mut home = self.lane(lane);
        home.free(shared);
        home.take(arena, request)
    }

    fn take_large(
        &self,
        arena: usize,
        lane: usize,
        total: usize,
        reclaim: impl FnOnce(),
    ) -> Result<Chunk, MemoryError> {
        // A chunk's bytes are counted by 32 bits; `enter` checks what they are in whole blocks.
        if u32::try_from(total).is_err() {
            return Err(MemoryError::TooLarge);
        }
        reclaim();
        let mut lanes = (0..self.lanes.len()).map(|step| lane.wrapping_add(step));
        if let Some(chunk) = lanes.find_map(|lane| self.lane(lane).take_large(arena, total)) {
            return Ok(chunk);
        }
        let mut block = Some(self.new_block(total)?);
        let fresh = self.enter(&mut block)?;
        Ok(self.lane(lane).hand_out(arena, fresh))
    }

    /// A block from the memory. At the budget's limit, blocks of which all chunks are free are
    /// given up for it first.
    fn new_block(&self, bytes: usize) -> Result<Block, MemoryError> {
        match self.memory.block(bytes) {
            Err(MemoryError::OverBudget(_)) if self.trim() > 0 => self.memory.block(bytes),
            answer => answer,
        }
    }

    /// Enters `block` and makes all of it one chunk. On failure the block stays the caller's.
    fn enter(&self, block: &mut Option<Block>) -> Result<Listed, MemoryError> {
        let size = block.as_ref().map_or(0, Block::capacity);
        let size_in_header = u32::try_from(size).map_err(|_| MemoryError::TooLarge)?;
        let mut ledger = lock(&self.ledger);
        let index = ledger.vacant()?;
        let taken = block.take().ok_or(SourceError::OutOfMemory)?;
        let start = taken.region().base();
        ledger.reserved += size;
        ledger.blocks[index].block = Some(taken);
        // SAFETY: 1. the block is ours, whole and unshared, and page-aligned as `Memory` checks;
        // 2. a block has at least 4096 bytes.
        let chunk = unsafe { Chunk::create(start, size_in_header, index as u32) };
        // SAFETY: created above, in a block that is held from here on, until `trim` has all its
        // chunks off every list.
        Ok(unsafe { Listed::new(chunk) })
    }

    /// Takes a chunk back that `arena` was given last or nearly so, by the first lane.
    ///
    /// # Safety
    ///
    /// Nobody has claimed bytes of it, nor will.
    pub(crate) unsafe fn give_back(&self, arena: usize, chunk: Chunk) {
        self.lane(0).give_back(arena, chunk);
    }

    /// Whether [`scrub`](Self::scrub) has anything to do.
    pub fn scrubs(&self) -> bool {
        self.scrub.is_needed()
    }

    /// Overwrites the bytes of `arena` as its owner wished. Takes time in the bytes, without a
    /// lock; its figures stay.
    ///
    /// # Safety
    ///
    /// As for [`reclaim`](Self::reclaim), which follows.
    pub unsafe fn scrub(&self, arena: usize) {
        if !self.scrubs() {
            return;
        }
        for lane in 0..self.lanes.len() {
            // Nobody changes the lists of such an arena, so what its lane says now stays true. The
            // lock is let go here: overwriting takes long.
            let lists = self.lane(lane).arenas[arena].snapshot();
            for list in lists {
                list.for_each(|live| {
                    // SAFETY: by the contract; a free chunk is created anew before it is used.
                    unsafe { live.scrub(self.scrub.fill()) }
                });
            }
        }
    }

    /// Puts all chunks of `arena` on the free lists, or into quarantine; returns their bytes.
    /// Constant time per lane, apart from oversize chunks and a quarantine.
    ///
    /// # Safety
    ///
    /// Nobody reads or claims bytes of these chunks any more, nor will.
    pub unsafe fn reclaim(&self, arena: usize) -> usize {
        let reclaim = |lane| {
            let mut lane = self.lane(lane);
            let held = std::mem::take(&mut lane.arenas[arena]);
            let bytes = held.bytes();
            if self.scrub.quarantine {
                // SAFETY: by the contract; and no list has them any more, nor ever will.
                unsafe { held.confine() };
                lane.quarantined += bytes;
            } else {
                lane.free_all(held);
            }
            bytes
        };
        (0..self.lanes.len()).map(reclaim).sum()
    }

    /// Returns the blocks of which every chunk is free to the memory; returns their bytes.
    ///
    /// Walks all free chunks, under all locks: for `maintain`, and for a put only where it would
    /// be refused otherwise.
    pub fn trim(&self) -> usize {
        let mut given = Vec::new();
        {
            let (mut lanes, mut ledger) = self.lock_all();
            // Without room for the answer nothing is given up; the next trim may do better.
            if given.try_reserve(ledger.blocks.len()).is_ok() {
                ledger.trim(&mut lanes, &mut given);
            }
        }
        // Dropped here, with no lock held: each goes back to the memory.
        given.iter().map(Block::capacity).sum()
    }

    fn lock_all(&self) -> (Vec<MutexGuard<'_, Lane>>, MutexGuard<'_, Ledger>) {
        let lanes = self.lanes.iter().map(|lane| lock(&lane.0)).collect();
        (lanes, lock(&self.ledger))
    }

    /// Figures of `arena`; walks its chunks, under the locks.
    pub fn usage(&self, arena: usize) -> Usage {
        let mut usage = Usage::default();
        let (lanes, mut ledger) = self.lock_all();
        for lane in &lanes {
            lane.add_usage(arena, &mut ledger.blocks, &mut usage);
        }
        ledger.blocks.iter_mut().for_each(|entry| entry.mark = 0);
        usage
    }

    /// Bytes of the chunks that `arena` has. Constant time per lane.
    pub fn bytes(&self, arena: usize) -> usize {
        let lanes = 0..self.lanes.len();
        lanes
            .map(|lane| self.lane(lane).arenas[arena].bytes())
            .sum()
    }

    /// Figures of all. Linear in the blocks.
    pub fn totals(&self) -> Totals {
        let (lanes, ledger) = self.lock_all();
        Totals {
            reserved: ledger.reserved,
            free: lanes.iter().map(|lane| lane.free_bytes()).sum(),
            quarantined: lanes.iter().map(|lane| lane.quarantined).sum(),
            blocks: ledger.blocks.iter().filter(|e| e.block.is_some()).count(),
        }
    }

    /// Bytes of the blocks that are in physical memory; `None` where the system does not tell.
    pub fn resident(&self) -> Option<usize> {
        let regions: Vec<_> = {
            let ledger = lock(&self.ledger);
            let blocks = ledger.blocks.iter().filter_map(|e| e.block.as_ref());
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

impl Ledger {
    /// The index of an entry without a block.
    fn vacant(&mut self) -> Result<usize, MemoryError> {
        if let Some(index) = self.blocks.iter().position(|entry| entry.block.is_none()) {
            return Ok(index);
        }
        let room = self.blocks.try_reserve(1);
        room.map_err(|_| SourceError::OutOfMemory)?;
        self.blocks.push(Entry::default());
        Ok(self.blocks.len() - 1)
    }

    /// Takes out the blocks of which every chunk is free, and these chunks off the lists.
    fn trim(&mut self, lanes: &mut [MutexGuard<'_, Lane>], given: &mut Vec<Block>) {
        let blocks = &mut self.blocks;
        for list in lanes.iter().flat_map(|lane| lane.free_lists()) {
            list.for_each(|live| blocks[live.block() as usize].mark += live.size());
        }
        let all_free = |entry: &Entry| {
            let block = entry.block.as_ref();
            block.is_some_and(|block| block.capacity() == entry.mark)
        };
        for list in lanes.iter_mut().flat_map(|lane| lane.free_lists_mut()) {
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
    }
}

impl Lane {
    /// A free chunk of the wanted class, split off a larger one if need be; else the largest
    /// smaller one that is enough.
    fn take(&mut self, arena: usize, request: Request) -> Option<Chunk> {
        let (wanted, least) = (request.wanted.index(), request.least.index());
        let holds_one = |class: &usize| !self.free[*class].is_empty();
        let class = (wanted..CLASSES)
            .find(holds_one)
            .or_else(|| (least..wanted).rev().find(holds_one))?;
        let mut chunk = self.free[class].pop()?;
        for class in (wanted..class).rev() {
            let (lower, upper) = halves(chunk);
            self.free[class].push(upper);
            chunk = lower;
        }
        Some(self.hand_out(arena, renewed(chunk)))
    }

    /// Half of the largest free chunk, or all of it if it is no larger than wanted: for another
    /// lane that has none.
    fn share(&mut self, request: Request) -> Option<Listed> {
        let (wanted, least) = (request.wanted.index(), request.least.index());
        let class = (least..CLASSES)
            .rev()
            .find(|class| !self.free[*class].is_empty())?;
        let chunk = self.free[class].pop()?;
        if class <= wanted {
            return Some(chunk);
        }
        let (lower, upper) = halves(chunk);
        self.free[class - 1].push(lower);
        Some(upper)
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
        Some(self.hand_out(arena, renewed(chunk)))
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

    fn free_all(&mut self, held: Held) {
        for (free, list) in self.free.iter_mut().zip(held.classes) {
            free.append(list);
        }
        let mut large = held.large;
        while let Some(chunk) = large.pop() {
            self.free(chunk);
        }
    }

    fn add_usage(&self, arena: usize, blocks: &mut [Entry], usage: &mut Usage) {
        for list in self.arenas[arena].lists() {
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
    }

    fn free_lists(&self) -> impl Iterator<Item = &List> {
        self.free.iter().chain([&self.free_large])
    }

    fn free_lists_mut(&mut self) -> impl Iterator<Item = &mut List> {
        self.free.iter_mut().chain([&mut self.free_large])
    }

    fn free_bytes(&self) -> usize {
        self.free_lists().map(|list| list.bytes).sum()
    }
}

/// A free chunk that is on no list, as two.
fn halves(chunk: Listed) -> (Listed, Listed) {
    let (start, block) = (chunk.live().start(), chunk.live().block());
    let size = chunk.live().size() / 2;
    // SAFETY: the middle of the chunk.
    let middle = unsafe { start.add(size) };
    // SAFETY: 1. the upper half of a free chunk, which is nobody's and on no list; aligned, as
    // sizes are multiples of 4 KiB. 2. At least 4 KiB, as only larger classes are halved.
    let upper = unsafe { Chunk::create(middle, size as u32, block) };
    // SAFETY: 1. and 2. likewise.
    let lower = unsafe { Chunk::create(start, size as u32, block) };
    // SAFETY: created above, in a block that is held.
    let lower = unsafe { Listed::new(lower) };
    // SAFETY: likewise.
    (lower, unsafe { Listed::new(upper) })
}

/// A free chunk that is on no list, with nothing claimed.
fn renewed(chunk: Listed) -> Listed {
    let live = chunk.live();
    // SAFETY: 1. it is nobody's; 2. it had its size.
    let fresh = unsafe { Chunk::create(live.start(), live.size() as u32, live.block()) };
    // SAFETY: created above, in a block that is held.
    unsafe { Listed::new(fresh) }
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

    /// The same lists once more, to walk while nobody changes them.
    fn snapshot(&self) -> impl Iterator<Item = List> + use<> {
        let classes = self.classes.each_ref().map(List::snapshot);
        classes.into_iter().chain([self.large.snapshot()])
    }

    /// Has the system refuse every access to the chunks, where it can: to the whole pages of each.
    ///
    /// # Safety
    ///
    /// Nobody uses them any more; nor will, before [`Chunks`] makes their blocks accessible again.
    unsafe fn confine(self) {
        for mut list in self.classes.into_iter().chain([self.large]) {
            while let Some(chunk) = list.pop() {
                let (start, size) = (chunk.live().start(), chunk.live().size());
                // Where the system refuses nothing, they are out of use all the same.
                // SAFETY: the chunk is off the list, in a block that is held, and what is read of
                // other chunks is not in whole pages of this one; the rest by the contract.
                unsafe { protect(start, size, false) };
            }
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        let arenas = self.lane(0).arenas.len();
        for arena in 0..arenas {
            // SAFETY: `&mut self`: nobody is left who reads or writes.
            unsafe { self.scrub(arena) };
        }
        if self.scrub.quarantine {
            let mut ledger = lock(&self.ledger);
            for block in ledger.blocks.iter_mut().filter_map(|e| e.block.take()) {
                let region = block.region();
                // SAFETY: a whole block, which nobody uses any more.
                let usable = unsafe { protect(region.base(), region.len(), true) };
                // The memory would hand it out, and whoever got it would fault.
                if !usable {
                    block.abandon();
                }
            }
        }
    }
}

/// Bytes to ask for when `len` bytes at `align` are to fit a new chunk, header included.
pub(crate) fn total(len: usize, align: usize) -> Option<usize> {
    HEADER.checked_add(align - 1)?.checked_add(len)
}
