//! A chunk: memory of one owner, with its header in front.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::class::{REGION_PAGE, header_of};
use crate::shadow;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// The header at the start of every chunk, in use or free.
///
/// What a put reads and writes comes last. Many chunks begin where a page does, and after a long copy that crosses into
/// a page a load of the first 32 bytes of any page waits; `docs/benchmarks.md` has the measurement.
#[derive(Debug)]
#[repr(C, align(32))]
pub(crate) struct Header {
    /// The next on its list. Written under the lock of the memory.
    next: AtomicPtr<Header>,
    /// The number of its region, and the bits [`FREE`] and [`ALONE`].
    tag: AtomicU32,
    /// Bytes lost to alignment and to batches that were not used up.
    pub(super) padding: AtomicU32,
    /// Bytes of the chunk, header included; in a region of its own, pages of [`REGION_PAGE`].
    pub(super) size: u32,
    /// In use, `count:32 | offset:32`: allocations made, and the offset of the first free byte; both
    /// advance by one store. Not in use: another chunk, as a [`Place`]; see [`Live::prev`].
    /// Invariant, in use: the header's length <= offset <= size, and every byte that belongs to a caller is
    /// below the offset. It falls only where the last allocation is given back or its end is: in a batch by
    /// the one thread, in an `EpochArena` by an exchange that expects it.
    pub(super) filled: AtomicU64,
}

// (loom's atomics are larger.)
const _: () = assert!(size_of::<Header>() == 32 || cfg!(epoch_arena_loom));
const _: () = assert!(size_of::<Header>() <= header_of(0));

/// A bit of the tag: the chunk is on a free list.
const FREE: u32 = 1 << 31;
/// A bit of the tag: the chunk is a region of its own, for one large value.
const ALONE: u32 = 1 << 30;

/// The regions that a tag can name.
pub(crate) const MAX_REGIONS: usize = ALONE as usize;

/// Bytes that are overwritten at a time.
const WORD: usize = size_of::<u64>();

/// The offset of the first free byte.
pub(super) const fn offset(filled: u64) -> usize {
    filled as u32 as usize
}

/// The place of a chunk, in one word that is no pointer: `region:32 | offset / 512:32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub u64);

impl Place {
    pub const NONE: Place = Place(u64::MAX);
}

/// A chunk, as an address. It may dangle (a thread remembers its chunk between pins), so nothing can be read through
/// it; a caller of [`live`](Self::live) promises that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk(
    /// The header, with the provenance of the whole chunk.
    NonNull<Header>,
);

// SAFETY: an address; access goes through `live`, whose contract is the same on every thread.
unsafe impl Send for Chunk {}

impl Chunk {
    /// Makes `size` bytes at `at` a chunk, empty and on no list.
    ///
    /// # Safety
    ///
    /// 1. `at .. at + size` is valid for writes, aligned to a header, and the caller's alone.
    /// 2. `size` is a power of two of at least 512, and at most 1 GiB.
    pub(super) unsafe fn create(at: NonNull<u8>, size: usize, region: u32) -> Self {
        // SAFETY: the same contract.
        unsafe { Self::write(at, size, size as u32, region) }
    }

    /// Makes a whole region of `size` bytes a chunk, for one large value.
    ///
    /// # Safety
    ///
    /// 1. As for [`create`](Self::create).
    /// 2. `size` is a multiple of [`REGION_PAGE`], and less than 2^32 of these.
    pub(super) unsafe fn create_alone(at: NonNull<u8>, size: usize, region: u32) -> Self {
        // SAFETY: the same contract.
        unsafe { Self::write(at, size, (size / REGION_PAGE) as u32, region | ALONE) }
    }

    /// # Safety
    ///
    /// `at .. at + size` is as for [`create`](Self::create), and `told` is `size`: in pages of [`REGION_PAGE`] if `tag`
    /// has [`ALONE`], else in bytes.
    unsafe fn write(at: NonNull<u8>, size: usize, told: u32, tag: u32) -> Self {
        let len = header_of(size);
        // SAFETY: by the contract no other thread uses these bytes.
        unsafe { shadow::forbid(at, size) };
        // SAFETY: inside them; the chunk's own from here on.
        unsafe { shadow::allow(at, len) };
        let header = at.cast::<Header>();
        // SAFETY: there is room for a header, aligned and unshared.
        unsafe {
            header.write(Header {
                filled: AtomicU64::new(len as u64),
                next: AtomicPtr::new(std::ptr::null_mut()),
                size: told,
                tag: AtomicU32::new(tag),
                padding: AtomicU32::new(0),
            });
        }
        Self(header)
    }

    /// The chunk as one that exists.
    ///
    /// # Safety
    ///
    /// It was made by `create`, and its region is not given up and no other chunk made in its place for
    /// `'a`.
    #[inline(always)]
    pub unsafe fn live<'a>(self) -> Live<'a> {
        Live {
            chunk: self,
            life: PhantomData,
        }
    }

    /// The chunk that begins at `start`, which has the provenance of all of its region.
    pub(super) fn from_start(start: NonNull<u8>) -> Self {
        Self(start.cast())
    }

    pub(crate) fn from_ptr(pointer: *mut Header) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }

    pub(crate) fn as_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }

    /// The same chunk from a word that [`to_raw`](Self::to_raw) gave; null is none.
    pub fn from_raw(raw: *mut ()) -> Option<Self> {
        Self::from_ptr(raw.cast())
    }

    /// The chunk as an untyped pointer, to be kept in an atomic.
    pub fn to_raw(self) -> *mut () {
        self.as_ptr().cast()
    }

    /// A chunk that does not exist, for a thread that has none.
    pub const fn dangling() -> Self {
        Self(NonNull::dangling())
    }
}

/// A chunk that exists for `'a`.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    /// Invariant: as promised to [`Chunk::live`].
    chunk: Chunk,
    life: PhantomData<&'a Header>,
}

impl<'a> Live<'a> {
    #[inline(always)]
    pub(super) fn header(self) -> &'a Header {
        // SAFETY: by the invariant of `chunk` the header exists for 'a; it is only ever changed
        // through its atomics, or written as a whole by `create` when no other thread has its bytes.
        unsafe { self.chunk.0.as_ref() }
    }

    #[inline(always)]
    pub(super) fn at(self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset <= self.size());
        // SAFETY: offsets come from `filled` and `bump::place`, which stay within the size, and
        // the chunk's address has the provenance of all its bytes.
        unsafe { self.chunk.0.cast::<u8>().add(offset) }
    }

    fn tag(self) -> u32 {
        // Relaxed: only [`FREE`] changes, under the lock of the memory, and only a thread that has the lock makes use of
        // it; the other bits stay as they are.
        self.header().tag.load(Ordering::Relaxed)
    }

    /// Bytes, header included.
    #[inline]
    pub fn size(self) -> usize {
        let told = self.header().size as usize;
        if self.is_alone() {
            told * REGION_PAGE
        } else {
            told
        }
    }

    /// Whether it is a region of its own.
    #[inline]
    pub fn is_alone(self) -> bool {
        self.tag() & ALONE != 0
    }

    /// The number of its region.
    pub(crate) fn region(self) -> u32 {
        self.tag() & !(FREE | ALONE)
    }

    pub(crate) fn is_free(self) -> bool {
        self.tag() & FREE != 0
    }

    pub(crate) fn start(self) -> NonNull<u8> {
        self.chunk.0.cast()
    }

    /// Its address.
    pub fn chunk(self) -> Chunk {
        self.chunk
    }

    pub(crate) fn next(self) -> Option<Chunk> {
        // Relaxed, as in `set_next`: the lock of the memory orders them. A thread that walks a list without the lock
        // has loaded the list's head by the Acquire in `ChunkList::head`; `ChunkList::push` stores the head after this.
        Chunk::from_ptr(self.header().next.load(Ordering::Relaxed))
    }

    pub(crate) fn set_next(self, next: Option<Chunk>) {
        let next = next.map_or(std::ptr::null_mut(), Chunk::as_ptr);
        self.header().next.store(next, Ordering::Relaxed);
    }

    /// The place in the word `filled`, while the chunk is not in use. In a free chunk: the chunk before it on its list.
    /// In a returned chunk that is the first of its list: the first of the next list. Under the lock of the memory.
    pub(crate) fn prev(self) -> Place {
        // Relaxed: under the lock.
        Place(self.header().filled.load(Ordering::Relaxed))
    }

    pub(crate) fn set_prev(self, prev: Place) {
        // Relaxed: under the lock.
        self.header().filled.store(prev.0, Ordering::Relaxed);
    }

    /// Says that it is on a free list. Under the lock of the memory.
    pub(super) fn set_free(self) {
        let tag = self.tag() | FREE;
        // Relaxed: under the lock.
        self.header().tag.store(tag, Ordering::Relaxed);
    }

    /// Overwrites all bytes that are claimed with `fill`, if there is one. (Bytes that were given back are not claimed; nor
    /// is a value that is longer than offsets reach.)
    ///
    /// # Safety
    ///
    /// No thread reads or claims bytes of the chunk any more, nor will before it is created anew.
    pub(super) unsafe fn scrub(self, fill: Option<u8>) {
        let size = self.size();
        let header = header_of(size);
        let first = self.at(header);
        // Relaxed: by the contract all claims are over, and the caller is ordered after them.
        let used = offset(self.header().filled.load(Ordering::Relaxed)) - header;
        // SAFETY: the chunk's; alignment gaps among them were never allowed.
        unsafe { shadow::allow(first, used.next_multiple_of(WORD)) };
        if let Some(fill) = fill {
            let words = first.cast::<u64>();
            for word in 0..used.div_ceil(WORD) {
                // SAFETY: below the chunk's size, which is a multiple of a word, as the header's is.
                let word = unsafe { words.add(word) };
                // SAFETY: no other thread uses it; aligned, as the chunk and its header are. Volatile, so that
                // the compiler keeps the write even where the memory is freed next.
                unsafe { word.write_volatile(u64::from_ne_bytes([fill; WORD])) };
            }
        }
        // SAFETY: no thread uses them until the chunk is created anew.
        unsafe { shadow::forbid(first, size - header) };
    }

    /// Allocations, bytes used with the header, bytes of payload.
    pub(super) fn usage(self) -> (usize, usize, usize) {
        let header = self.header();
        // Relaxed: figures of a moment. The padding is read first, and is written first by the
        // chunk's thread, but no order is implied; hence the saturation.
        let padding = header.padding.load(Ordering::Relaxed) as usize;
        let filled = header.filled.load(Ordering::Relaxed);
        let used = offset(filled);
        let count = (filled >> 32) as usize;
        let payload = (used - header_of(self.size())).saturating_sub(padding);
        (count, used, payload)
    }
}
