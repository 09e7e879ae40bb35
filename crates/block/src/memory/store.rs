//! The state under the memory's lock: the budget, the free blocks, and the chunks. The steps of a request are bounded:
//! work on many chunks lets go of the lock in between. Reports and the end of an owner are linear in the users, in
//! the regions, or in the generations that are confined.

use std::ptr::{NonNull, null_mut};

use super::regions::Regions;
use super::request::{Owner, Request};
use super::usage::{Account, Accounts};
use crate::chunks::carve::Carved;
use crate::chunks::chunk::{Chunk, Live, Place};
use crate::chunks::class::{Class, Shelf};
use crate::chunks::generation::{Generation, Ready};
use crate::lane::LANES;
use crate::sync::Arc;

/// Generations that one step takes off the ready stack, and chunks that one step puts on their lists.
const STEP: usize = 32;

/// Steps that put returned chunks on their lists before a chunk is carved anew.
const FILED: usize = 4;

/// Invariant: `reserved` = `in_use` + `moving` + the bytes that are free (of `free`, of free and
/// returned chunks, and beyond the frontiers); at most the budget, at every moment. A region's bytes are
/// added before the source is asked and taken off only after it has the region back.
pub(super) struct Store {
    pub reserved: usize,
    /// The most that `reserved` was right after it grew, for bytes that the source then gave. It includes bytes that
    /// other threads had on their way at that moment, even if the source did not give them later.
    pub peak: usize,
    /// Bytes of chunks and blocks that have an owner.
    pub in_use: usize,
    /// Bytes on their way to or from the source.
    pub moving: usize,
    pub free: Regions,
    pub carved: Carved,
    /// For each lane, lists of chunks that its threads took and that were given up, the last list first. The first
    /// chunk of each list has the place of the first chunk of the next list.
    returned: [Option<Chunk>; LANES],
    /// Generations whose bytes are to be overwritten before they are returned.
    dirty: *mut Generation,
    /// Generations whose bytes a thread is overwriting.
    pub cleaning: usize,
    /// Generations that are confined until their owner ends.
    confined: Vec<Arc<Generation>>,
    pub accounts: Accounts,
    unit: usize,
    /// Whether free blocks have their pages in memory, as the memory was told.
    prefaulted: bool,
}

// SAFETY: the chunks are in regions that the store owns, and only the thread that has the store reaches them through
// it; the generations of `dirty` are `Arc`s of a type that is `Send` and `Sync`.
unsafe impl Send for Store {}

impl Store {
    pub fn new(unit: usize, prefaulted: bool) -> Self {
        Self {
            reserved: 0,
            peak: 0,
            in_use: 0,
            moving: 0,
            free: Regions::new(unit),
            carved: Carved::new(unit),
            returned: [None; LANES],
            dirty: null_mut(),
            cleaning: 0,
            confined: Vec::new(),
            accounts: Accounts::default(),
            unit,
            prefaulted,
        }
    }

    fn live<'a>(&self, chunk: Chunk) -> Live<'a> {
        // SAFETY: a chunk that was given up or is free; its region is held until `Carved` gives it out.
        unsafe { chunk.live() }
    }

    /// The addresses and lengths of the regions, in use or free, except those of [`Block`](crate::Block)s.
    pub fn ranges(&self) -> Vec<(NonNull<u8>, usize)> {
        let free = self.free.iter();
        let free = free.map(|region| (region.base(), region.len()));
        self.carved.ranges().chain(free).collect()
    }

    // Chunks that are taken.

    /// A chunk for a thread of `lane`, if there is one without the source, and without a walk.
    pub fn find(&mut self, request: Request, lane: usize, ready: &Ready) -> Option<Chunk> {
        self.settle(ready);
        match request {
            Request::Chunk {
                wanted, confined, ..
            } => {
                let shelf = if confined {
                    Shelf::QUARANTINE
                } else {
                    Shelf::of(wanted, self.unit, lane)
                };
                // Chunks that came back go before bytes that were never used: so the memory in use does not creep.
                if let Some(chunk) = self.take_returned(lane, shelf, wanted) {
                    return Some(chunk);
                }
                for _ in 0..FILED {
                    let joined = shelf
                        .and_smaller()
                        .find_map(|one| self.carved.take_free(one, wanted));
                    if joined.is_some() {
                        return joined;
                    }
                    if self.file_of(lane) == 0 {
                        break;
                    }
                }
                if let Some(chunk) = self.carved.take(shelf, wanted) {
                    return Some(chunk);
                }
                let prepared = self.carved.prepare(1);
                if let Some(block) = prepared.then(|| self.free.take_block(shelf)).flatten() {
                    self.carved.add_block(block, shelf);
                    return self.carved.take(shelf, wanted);
                }
                // Before the memory grows: free chunks of other lanes, and the rest of this lane's blocks for smaller
                // chunks, not for larger ones, which a small chunk would keep from being whole. The first block is on
                // small pages: filling it costs a page fault for every 4 KiB, unless its pages are in memory. So
                // one 64th of it is for all sizes, and a memory that needs no more gets no huge page.
                let (mut others, smaller) = (shelf.of_others(), shelf.smaller());
                let begun = self.carved.frontier(Shelf::FIRST).unwrap_or(self.unit);
                let first = self.prefaulted || begun + wanted.size() <= self.unit / 64;
                let mut smaller = smaller.filter(|shelf| first || *shelf != Shelf::FIRST);
                others
                    .find_map(|shelf| self.carved.take_free(shelf, wanted))
                    .or_else(|| smaller.find_map(|shelf| self.carved.take(shelf, wanted)))
            }
            Request::Alone(size) => {
                if !self.carved.prepare(1) {
                    return None;
                }
                let region = self.free.take(size, false)?;
                Some(self.carved.add_alone(region))
            }
        }
    }

    /// As [`find`](Self::find), from any shelf, down to the least class that is enough: before a refusal.
    pub fn find_any(&mut self, request: Request) -> Option<Chunk> {
        match request {
            Request::Chunk {
                wanted,
                least,
                confined: false,
            } => self.carved.take_any(wanted, least),
            _ => None,
        }
    }

    /// The first of the lane's returned chunks, if it is of the class and of such a shelf: still warm, and nothing is
    /// joined and split for it.
    fn take_returned(&mut self, lane: usize, shelf: Shelf, class: Class) -> Option<Chunk> {
        let first = self.live(self.returned[lane]?);
        let fits = !first.is_alone()
            && first.size() == class.size()
            && shelf
                .and_smaller()
                .any(|one| one == self.carved.shelf(first.region()));
        if !fits {
            return None;
        }
        let chunk = self.pop_returned(lane)?;
        Some(self.carved.renew(chunk))
    }

    /// The chunk is `owner`'s from here on, taken by a thread of `lane`.
    pub fn hand_out(&mut self, owner: Owner<'_>, lane: usize, chunk: Chunk) {
        let live = self.live(chunk);
        self.in_use += live.size();
        owner.account.add(live.size());
        owner.chunks.push(live, lane);
    }

    // Chunks that come back.

    /// Takes all chunks of an owner back. Constant time: a later step puts them on their free lists.
    ///
    /// # Safety
    ///
    /// No thread reads or claims bytes of them any more, nor will.
    pub unsafe fn give_up(&mut self, owner: Owner<'_>) -> usize {
        let (firsts, bytes) = owner.chunks.take();
        for (lane, first) in firsts.into_iter().enumerate() {
            if let Some(first) = first {
                self.push_returned(lane, first);
            }
        }
        self.in_use -= bytes;
        owner.account.take(bytes);
        self.accounts.close(owner.account);
        bytes
    }

    /// Takes generations off the ready stack, as many as one step allows; their chunks are free, or wait to be
    /// overwritten.
    pub fn settle(&mut self, ready: &Ready) {
        for _ in 0..STEP {
            let Some(generation) = ready.pop() else {
                return;
            };
            if generation.is_dirty() {
                self.dirty = Generation::link(generation, self.dirty);
            } else {
                // SAFETY: it was on the ready stack, so it has no holds.
                unsafe { self.give_up_generation(&generation) };
            }
        }
    }

    /// # Safety
    ///
    /// No thread reads or claims bytes of its chunks any more, nor will: it has no holds, or its last holder is the
    /// caller.
    pub unsafe fn give_up_generation(&mut self, generation: &Generation) {
        let owner = Owner {
            chunks: &generation.chunks,
            account: &generation.account,
        };
        // SAFETY: the same contract.
        let bytes = unsafe { self.give_up(owner) };
        generation.account.give_up(bytes);
    }

    /// A generation to be overwritten, without the lock; then [`cleaned`](Self::cleaned).
    pub fn take_dirty(&mut self) -> Option<Arc<Generation>> {
        // SAFETY: made by `link`, and replaced by its rest.
        let (generation, rest) = unsafe { Generation::unlink(self.dirty) }?;
        self.dirty = rest;
        self.cleaning += 1;
        Some(generation)
    }

    /// Takes a generation of [`take_dirty`](Self::take_dirty) back: its chunks are free, or confined until the owner
    /// ends. If the owner has ended meanwhile, it did not find this one: then it is the caller's, as after
    /// [`end`](Self::end).
    ///
    /// # Safety
    ///
    /// [`Generation::clean`] returned `usable`.
    pub unsafe fn cleaned(
        &mut self,
        generation: Arc<Generation>,
        usable: bool,
    ) -> Option<Arc<Generation>> {
        self.cleaning -= 1;
        if usable {
            // SAFETY: it was on the ready stack, so it has no holds.
            unsafe { self.give_up_generation(&generation) };
            return None;
        }
        generation.account.confine(generation.chunks.bytes());
        if generation.account.is_ended() {
            return Some(generation);
        }
        self.confined.push(generation);
        None
    }

    /// Ends the owner of an account; gives its generations in quarantine. The caller makes them accessible without the
    /// lock, and then calls [`released`](Self::released).
    pub fn end(&mut self, account: &Account) -> Vec<Arc<Generation>> {
        self.accounts.end(account);
        let confined = std::mem::take(&mut self.confined).into_iter();
        let of_account = |one: &Arc<Generation>| std::ptr::eq(&*one.account, account);
        let (ended, others) = confined.partition(of_account);
        self.confined = others;
        ended
    }

    /// Takes the chunks of a generation that was confined. If some of them stay out of reach, at the addresses
    /// `refused`, none of its chunks is used again, and the regions of those are leaked in the end.
    ///
    /// # Safety
    ///
    /// It was confined, and [`Generation::release`] returned `refused`.
    pub unsafe fn released(&mut self, generation: &Generation, refused: Vec<NonNull<u8>>) {
        if refused.is_empty() {
            // SAFETY: confined, so it has no holds.
            unsafe { self.give_up_generation(generation) };
        }
        for address in refused {
            self.carved.leak(address);
        }
    }

    /// Overwrites the bytes of all chunks that are in use, at the end of the memory.
    pub fn wipe(&mut self, fill: u8) {
        // In a chunk that was given up, the word for the bytes filled holds a `Place`.
        while self.file() > 0 {}
        // SAFETY: the users of the memory are gone, so no thread reads or claims bytes; `clean_all` has ended every
        // quarantine.
        unsafe { self.carved.wipe(fill) };
    }

    fn push_returned(&mut self, lane: usize, first: Chunk) {
        let next = self.returned[lane].replace(first);
        let place = next.map_or(Place::NONE, |next| self.carved.place(self.live(next)));
        self.live(first).set_prev(place);
    }

    fn pop_returned(&mut self, lane: usize) -> Option<Chunk> {
        let chunk = self.returned[lane]?;
        let live = self.live(chunk);
        self.returned[lane] = match live.next() {
            // The next chunk of the same list takes over the place of the next list.
            Some(next) => {
                self.live(next).set_prev(live.prev());
                Some(next)
            }
            None => self.carved.at(live.prev()),
        };
        Some(chunk)
    }

    /// Puts returned chunks on their free lists, as many as one step allows; returns their bytes.
    pub fn file(&mut self) -> usize {
        let lanes = (0..LANES).find(|lane| self.returned[*lane].is_some());
        lanes.map_or(0, |lane| self.file_of(lane))
    }

    /// As [`file`](Self::file), for the chunks of one lane. A region without a chunk in use becomes a free one.
    fn file_of(&mut self, lane: usize) -> usize {
        let mut bytes = 0;
        for _ in 0..STEP {
            let Some(chunk) = self.pop_returned(lane) else {
                break;
            };
            bytes += self.live(chunk).size();
            // SAFETY: it was given up.
            if let Some((region, shelf, carved)) = unsafe { self.carved.put(chunk) } {
                self.free.keep_emptied(region, shelf, carved);
            }
        }
        bytes
    }
}

impl Store {
    /// Overwrites the dirty generations, and ends every quarantine: at the end of the memory.
    pub fn clean_all(&mut self) {
        // SAFETY: made by `link`, and replaced by its rest.
        while let Some((generation, rest)) = unsafe { Generation::unlink(self.dirty) } {
            self.dirty = rest;
            self.cleaning += 1;
            // SAFETY: it has no holds; it was taken off the ready stack.
            let usable = unsafe { generation.clean() };
            // SAFETY: `clean` returned it.
            let late = unsafe { self.cleaned(generation, usable) };
            self.confined.extend(late);
        }
        for generation in std::mem::take(&mut self.confined) {
            let refused = generation.release();
            // SAFETY: it was confined.
            unsafe { self.released(&generation, refused) };
        }
    }
}
