//! The chunks that one owner has taken.

use std::ptr::{NonNull, null_mut};

use super::chunk::{Chunk, Header, Live};
use super::scrub::Scrub;
use crate::lane::LANES;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// The chunks that one owner has taken from a memory, by the lane of the thread that took them, newest first.
///
/// It is changed under the memory's lock only. It can be walked without the lock, as long as it is not given up: a
/// chunk that is pushed meanwhile comes before the walk's first chunk.
#[derive(Debug)]
pub struct ChunkList {
    /// Invariant: null, or a chunk that exists, as do all that follow by `next`, until they are given up.
    heads: [AtomicPtr<Header>; LANES],
    /// Bytes of the chunks.
    bytes: AtomicUsize,
}

/// Figures of one owner's chunks.
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

impl Default for ChunkList {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkList {
    /// An empty list.
    pub fn new() -> Self {
        Self {
            heads: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Bytes of the chunks. One load.
    pub fn bytes(&self) -> usize {
        // Relaxed: a figure.
        self.bytes.load(Ordering::Relaxed)
    }

    fn head(&self, lane: usize) -> Option<Chunk> {
        // Acquire: pairs with the Release in `push`; a thread that walks the list sees the header set up.
        Chunk::from_ptr(self.heads[lane].load(Ordering::Acquire))
    }

    /// Adds a chunk that a thread of `lane` has taken. Under the lock of the memory.
    pub(crate) fn push(&self, chunk: Live<'_>, lane: usize) {
        chunk.set_next(self.head(lane));
        // Relaxed: written under the lock, read as a figure.
        self.bytes
            .store(self.bytes() + chunk.size(), Ordering::Relaxed);
        // Release: publishes the header. Partner: the Acquire in `head`.
        self.heads[lane].store(chunk.chunk().as_ptr(), Ordering::Release);
    }

    /// Empties the list; gives the newest chunk of each lane, by which the others follow, and the bytes of all.
    /// Under the lock of the memory.
    pub(crate) fn take(&self) -> ([Option<Chunk>; LANES], usize) {
        let taken = (std::array::from_fn(|lane| self.head(lane)), self.bytes());
        // Relaxed, all: written under the lock; the list is not walked any more.
        for head in &self.heads {
            head.store(null_mut(), Ordering::Relaxed);
        }
        self.bytes.store(0, Ordering::Relaxed);
        taken
    }

    /// # Safety
    ///
    /// The chunks are not given up for the call.
    unsafe fn for_each(&self, mut visit: impl FnMut(Live<'_>)) {
        for lane in 0..LANES {
            let mut next = self.head(lane);
            while let Some(chunk) = next {
                // SAFETY: on the list, so it exists by the invariant of `heads` and the contract.
                let live = unsafe { chunk.live() };
                visit(live);
                next = live.next();
            }
        }
    }

    /// The figures of this moment. Linear in the chunks.
    ///
    /// # Safety
    ///
    /// The chunks are not given up for the call.
    pub unsafe fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        let mut regions = Vec::new();
        let visit = |live: Live<'_>| {
            let (allocations, used, payload) = live.usage();
            usage.chunks += 1;
            usage.capacity += live.size();
            usage.used += used;
            usage.payload += payload;
            usage.allocations += allocations;
            regions.push(live.region());
        };
        // SAFETY: the same contract.
        unsafe { self.for_each(visit) };
        regions.sort_unstable();
        regions.dedup();
        usage.blocks = regions.len();
        usage
    }

    /// Overwrites the bytes of all chunks as `scrub` says. Takes time in the bytes.
    ///
    /// # Safety
    ///
    /// 1. The chunks are not given up for the call, and none is added.
    /// 2. No thread reads or claims bytes of them any more, nor will before they are given up.
    pub unsafe fn scrub(&self, scrub: Scrub) {
        if scrub.is_needed() {
            // SAFETY: 2.; a chunk that is given up is created anew before it is used.
            let visit = |live: Live<'_>| unsafe { live.scrub(scrub.fill()) };
            // SAFETY: 1.
            unsafe { self.for_each(visit) };
        }
    }

    /// Has the system refuse every access to the whole pages of each chunk, and says which chunks these are:
    /// the list is not to be walked any more, until [`release`] has made them accessible again.
    ///
    /// # Safety
    ///
    /// As for [`scrub`](Self::scrub), until then.
    pub(crate) unsafe fn confine(&self) -> Vec<Range> {
        let mut ranges = Vec::new();
        let visit = |live: Live<'_>| ranges.push(Range(live.start(), live.size()));
        // SAFETY: the same contract.
        unsafe { self.for_each(visit) };
        for Range(start, size) in &ranges {
            // Where the system cannot refuse access, they are out of use all the same.
            // SAFETY: whole chunks, which no thread uses; no header of another chunk is in their whole pages.
            unsafe { crate::os::protect(*start, *size, false) };
        }
        ranges
    }
}

/// The bytes of a chunk that is confined.
#[derive(Debug)]
pub(crate) struct Range(NonNull<u8>, usize);

// SAFETY: an address and a length; only the unsafe `release` goes there, whose contract is the same on every thread.
unsafe impl Send for Range {}
// SAFETY: as for `Send`.
unsafe impl Sync for Range {}

/// Makes confined chunks accessible again; gives the addresses of those that the system keeps out of reach.
///
/// # Safety
///
/// The ranges are of [`ChunkList::confine`], and the chunks were not given up.
pub(crate) unsafe fn release(ranges: &[Range]) -> Vec<NonNull<u8>> {
    let refused = ranges.iter().filter(|Range(start, size)| {
        // SAFETY: chunks that exist and that no thread uses.
        unsafe { !crate::os::protect(*start, *size, true) }
    });
    refused.map(|Range(start, _)| *start).collect()
}
