//! Blocks that are carved into chunks, and the chunks of them that are free; on a shelf for each lane and size.
//!
//! A block is carved from a *frontier*, so that a fresh one is not written all over by halving it. A chunk that
//! comes back is joined with its buddy where that is free too, so that the free bytes of a block are always the
//! fewest chunks. A block without a chunk in use is given out as a region again.

use std::ptr::NonNull;

use super::chunk::{Chunk, Live, MAX_REGIONS, Place};
use super::class::{CLASSES, Class, SHELVES, SMALLEST, Shelf};
use crate::region::Region;
use crate::shadow;

/// The regions that chunks are in.
///
/// Invariant: below its frontier, a block is divided into chunks without a gap, each at a multiple of its size
/// and with a header that says whether it is free; those that are free are on the list of their shelf and class.
/// So the buddy of a chunk, as far as it is below the frontier, begins with the header of a chunk.
pub(crate) struct Carved {
    /// Bytes of a block, a power of two.
    unit: usize,
    regions: Vec<Option<Held>>,
    /// Indices of `regions` without a region. It has room for all of them.
    vacant: Vec<u32>,
    free: [[Option<Chunk>; CLASSES]; SHELVES],
    /// Per shelf, a bit for each class of which a chunk is free.
    some: [u32; SHELVES],
    /// Per shelf, the block whose frontier is not at its end yet.
    carving: [Option<u32>; SHELVES],
}

struct Held {
    region: Region,
    shelf: Shelf,
    /// The end of the bytes that are divided into chunks; the region's end, if it is one for a large value.
    frontier: usize,
    /// Bytes of its chunks that are in use.
    out: usize,
    /// Whether it is leaked in the end, as parts of it are out of reach.
    leaked: bool,
}

impl Drop for Carved {
    fn drop(&mut self) {
        for held in self.regions.drain(..).flatten() {
            if held.leaked {
                std::mem::forget(held.region);
                continue;
            }
            // SAFETY: all of it is to be given back; the memory ends, so no thread uses it.
            unsafe { shadow::allow(held.region.base(), held.region.len()) };
        }
    }
}

impl Carved {
    pub fn new(unit: usize) -> Self {
        Self {
            unit,
            regions: Vec::new(),
            vacant: Vec::new(),
            free: [[None; CLASSES]; SHELVES],
            some: [0; SHELVES],
            carving: [None; SHELVES],
        }
    }

    /// Makes room in the tables for some regions more; says whether there is.
    pub fn prepare(&mut self, more: usize) -> bool {
        self.vacant.len() >= more
            || (self.regions.len() + more <= MAX_REGIONS
                && self.regions.try_reserve(more).is_ok()
                && self.vacant.try_reserve(self.regions.len() + more).is_ok())
    }

    /// After [`prepare`](Self::prepare).
    fn add(&mut self, held: Held) -> u32 {
        match self.vacant.pop() {
            Some(index) => {
                self.regions[index as usize] = Some(held);
                index
            }
            None => {
                self.regions.push(Some(held));
                (self.regions.len() - 1) as u32
            }
        }
    }

    /// Begins to carve a block; after [`prepare`](Self::prepare), and after [`take`](Self::take) has found
    /// nothing, so that no block of this shelf is being carved.
    pub fn add_block(&mut self, region: Region, shelf: Shelf) {
        debug_assert_eq!(region.len(), self.unit);
        debug_assert_eq!(self.carving[shelf.index()], None);
        let index = self.add(Held {
            region,
            shelf,
            frontier: 0,
            out: 0,
            leaked: false,
        });
        self.carving[shelf.index()] = Some(index);
    }

    /// Makes a region one chunk, for a large value; after [`prepare`](Self::prepare).
    pub fn add_alone(&mut self, region: Region) -> Chunk {
        let (start, size) = (region.base(), region.len());
        let index = self.add(Held {
            region,
            shelf: Shelf::QUARANTINE,
            frontier: size,
            out: size,
            leaked: false,
        });
        // SAFETY: 1. a whole region, which this thread alone has, page-aligned as `Memory` checks; 2. `Memory::take`
        // asked for a size of `class::region_size`, and this one is at most `class::larger_region` of it.
        unsafe { Chunk::create_alone(start, size, index) }
    }

    fn held(&mut self, index: u32) -> &mut Held {
        let held = self.regions[index as usize].as_mut();
        held.expect("a chunk's region is held as long as it has the chunk")
    }

    /// The chunk as one that exists.
    fn live<'a>(&self, chunk: Chunk) -> Live<'a> {
        // SAFETY: by the invariant it exists as long as its region is held; no caller keeps the result longer than
        // its call.
        unsafe { chunk.live() }
    }

    /// A chunk of exactly this class: free, or the half of a larger one, or carved from the frontier.
    pub fn take(&mut self, shelf: Shelf, class: Class) -> Option<Chunk> {
        self.take_free(shelf, class)
            .or_else(|| self.carve(shelf, class))
    }

    /// As [`take`](Self::take), from any shelf but the quarantine's: the largest class from `wanted` down to `least`.
    pub fn take_any(&mut self, wanted: Class, least: Class) -> Option<Chunk> {
        let mut classes = (least.index()..=wanted.index()).rev().map(Class::at);
        classes.find_map(|class| Shelf::shared().find_map(|shelf| self.take(shelf, class)))
    }

    /// A free chunk of exactly this class, or the half of a larger one.
    pub fn take_free(&mut self, shelf: Shelf, class: Class) -> Option<Chunk> {
        let larger = self.some[shelf.index()] >> class.index();
        if larger == 0 {
            return None;
        }
        let found = Class::at(class.index() + larger.trailing_zeros() as usize);
        let chunk = self.free[shelf.index()][found.index()]?;
        let live = self.live(chunk);
        self.unlink(shelf, live);
        let (start, index) = (live.start(), live.region());
        for half in (class.index()..found.index()).rev() {
            let size = Class::at(half).size();
            // SAFETY: the middle of the chunk, or of its lower half that is left.
            let upper = unsafe { start.add(size) };
            // SAFETY: 1. the upper half of a free chunk, off every list; a multiple of its size from the
            // block's start. 2. A class's size.
            let upper = unsafe { Chunk::create(upper, size, index) };
            self.link(shelf, self.live(upper));
        }
        self.held(index).out += class.size();
        // SAFETY: 1. the lower part of the free chunk, off every list; 2. a class's size.
        Some(unsafe { Chunk::create(start, class.size(), index) })
    }

    fn carve(&mut self, shelf: Shelf, class: Class) -> Option<Chunk> {
        let index = self.carving[shelf.index()]?;
        let size = class.size();
        let start = self.held(index).frontier.next_multiple_of(size);
        if start + size > self.unit {
            // The rest of the block becomes free chunks; joined with free ones before it, it may be just enough.
            self.carving[shelf.index()] = None;
            self.cut(index, self.unit);
            return self.take_free(shelf, class);
        }
        self.cut(index, start);
        let held = self.held(index);
        held.frontier = start + size;
        held.out += size;
        // SAFETY: inside the block.
        let at = unsafe { held.region.base().add(start) };
        // SAFETY: 1. beyond the frontier until now, so no chunk has it; a multiple of its size; 2. a class's.
        Some(unsafe { Chunk::create(at, size, index) })
    }

    /// Moves the frontier to `to`. The bytes that it passes over become free chunks, as few as may be, joined with free
    /// ones before them.
    fn cut(&mut self, index: u32, to: usize) {
        loop {
            let held = self.held(index);
            let from = held.frontier;
            if from == to {
                return;
            }
            // The largest that begins at a multiple of its size, and ends by `to`.
            let size = 1 << from.trailing_zeros().min((to - from).ilog2());
            held.frontier = from + size;
            // SAFETY: beyond the frontier until now, so no chunk has it; a class's size, at a multiple of it.
            unsafe { self.free(index, from, size) };
        }
    }

    /// Takes a chunk back. If nothing else of its region is in use, the region is the caller's, with its
    /// shelf and the bytes of it that were divided into chunks.
    ///
    /// # Safety
    ///
    /// This gave the chunk out; no thread reads or claims bytes of it any more, nor will.
    pub unsafe fn put(&mut self, chunk: Chunk) -> Option<(Region, Shelf, usize)> {
        let live = self.live(chunk);
        let (index, size) = (live.region(), live.size());
        let held = self.held(index);
        held.out -= size;
        if held.out == 0 {
            return self.empty(index, live);
        }
        let at = live.start().addr().get() - held.region.base().addr().get();
        // SAFETY: by the contract; it was a chunk.
        unsafe { self.free(index, at, size) };
        None
    }

    /// Makes bytes of a block a free chunk, joined with its buddy if that is free, and so on.
    ///
    /// # Safety
    ///
    /// `at .. at + size` is below the frontier of the block; no thread uses it, and no list has it; `size` is a
    /// class's, and `at` a multiple of it.
    unsafe fn free(&mut self, index: u32, mut at: usize, mut size: usize) {
        let unit = self.unit;
        let held = self.held(index);
        let (shelf, base, frontier) = (held.shelf, held.region.base(), held.frontier);
        // Joining never gives a whole block: some chunk of it is in use, or `put` would have taken the block out.
        while shelf != Shelf::QUARANTINE && 2 * size < unit {
            let buddy = at ^ size;
            if buddy + size > frontier {
                break;
            }
            // SAFETY: inside the block.
            let start = unsafe { base.add(buddy) };
            let buddy = self.live(Chunk::from_start(start));
            if !buddy.is_free() || buddy.size() != size {
                break;
            }
            self.unlink(shelf, buddy);
            at &= !size;
            size *= 2;
        }
        // SAFETY: inside the block.
        let start = unsafe { base.add(at) };
        // SAFETY: 1. by the contract, and buddies that were free and are off their lists; 2. a class's size.
        let joined = unsafe { Chunk::create(start, size, index) };
        self.link(shelf, self.live(joined));
    }

    /// Takes out a region without a chunk in use. `last` was the last one, and is on no list.
    fn empty(&mut self, index: u32, last: Live<'_>) -> Option<(Region, Shelf, usize)> {
        let held = self.held(index);
        let (shelf, base, frontier) = (held.shelf, held.region.base(), held.frontier);
        let mut at = 0;
        // As buddies are joined, these are at most two for each class; in a quarantine, where no buddies are joined, at
        // most one for each page.
        while at < frontier && !last.is_alone() {
            // SAFETY: inside the block.
            let start = unsafe { base.add(at) };
            let chunk = self.live(Chunk::from_start(start));
            at += chunk.size();
            if chunk.is_free() {
                self.unlink(shelf, chunk);
            }
        }
        if self.carving[shelf.index()] == Some(index) {
            self.carving[shelf.index()] = None;
        }
        self.vacant.push(index);
        let region = self.regions[index as usize].take()?.region;
        // SAFETY: all of it is to be used anew or given back; none of its chunks is in use.
        unsafe { shadow::allow(region.base(), region.len()) };
        Some((region, shelf, frontier))
    }

    fn link(&mut self, shelf: Shelf, chunk: Live<'_>) {
        let class = Class::of(chunk.size()).index();
        let place = self.place(chunk);
        let head = self.free[shelf.index()][class].replace(chunk.chunk());
        chunk.set_next(head);
        chunk.set_prev(Place::NONE);
        chunk.set_free();
        if let Some(head) = head {
            self.live(head).set_prev(place);
        }
        self.some[shelf.index()] |= 1 << class;
    }

    fn unlink(&mut self, shelf: Shelf, chunk: Live<'_>) {
        let class = Class::of(chunk.size()).index();
        let (prev, next) = (chunk.prev(), chunk.next());
        if let Some(next) = next {
            self.live(next).set_prev(prev);
        }
        match self.at(prev) {
            Some(prev) => self.live(prev).set_next(next),
            None => {
                self.free[shelf.index()][class] = next;
                if next.is_none() {
                    self.some[shelf.index()] &= !(1 << class);
                }
            }
        }
    }

    /// A chunk that was given up, with nothing claimed.
    pub fn renew(&mut self, chunk: Chunk) -> Chunk {
        let live = self.live(chunk);
        // SAFETY: 1. it was given up, so no thread uses it, and the caller has taken it off its list; 2. it had its
        // size, and is no region of its own.
        unsafe { Chunk::create(live.start(), live.size(), live.region()) }
    }

    /// How far the block is carved whose frontier is not at its end yet.
    pub fn frontier(&mut self, shelf: Shelf) -> Option<usize> {
        self.carving[shelf.index()].map(|index| self.held(index).frontier)
    }

    /// The shelf that a region's chunks are on.
    pub fn shelf(&mut self, index: u32) -> Shelf {
        self.held(index).shelf
    }

    /// Where a chunk is.
    pub fn place(&mut self, chunk: Live<'_>) -> Place {
        let index = chunk.region();
        let base = self.held(index).region.base();
        let offset = chunk.start().addr().get() - base.addr().get();
        Place(u64::from(index) << 32 | (offset / SMALLEST) as u64)
    }

    /// The chunk at a place.
    pub fn at(&mut self, place: Place) -> Option<Chunk> {
        if place == Place::NONE {
            return None;
        }
        let base = self.held((place.0 >> 32) as u32).region.base();
        // SAFETY: the place of a chunk, inside its region.
        let start = unsafe { base.add(place.0 as u32 as usize * SMALLEST) };
        Some(Chunk::from_start(start))
    }

    /// Overwrites the bytes of all chunks that are in use.
    ///
    /// # Safety
    ///
    /// No thread reads or claims bytes of them any more, nor will; none is confined but in regions that are leaked.
    pub unsafe fn wipe(&self, fill: u8) {
        for held in self.regions.iter().flatten().filter(|held| !held.leaked) {
            let mut at = 0;
            while at < held.frontier {
                // SAFETY: inside the region.
                let start = unsafe { held.region.base().add(at) };
                let chunk = self.live(Chunk::from_start(start));
                at += chunk.size();
                if !chunk.is_free() {
                    // SAFETY: the same contract.
                    unsafe { chunk.scrub(Some(fill)) };
                }
            }
        }
    }

    /// Leaks the region at `address`, whose memory could not be made accessible again.
    pub fn leak(&mut self, address: NonNull<u8>) {
        let at = address.addr().get();
        let inside = |held: &&mut Held| {
            let start = held.region.base().addr().get();
            (start..start + held.region.len()).contains(&at)
        };
        if let Some(held) = self.regions.iter_mut().flatten().find(inside) {
            held.leaked = true;
        }
    }

    /// The addresses and lengths of the regions.
    pub fn ranges(&self) -> impl Iterator<Item = (NonNull<u8>, usize)> {
        let held = self.regions.iter().flatten();
        held.map(|held| (held.region.base(), held.region.len()))
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests;
