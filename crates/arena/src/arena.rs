//! `EpochArena`: one epoch's arena on its own, without a pool.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::{NonNull, null_mut};

use epoch_arena_block::raw::{
    Account, Chunk, ChunkList, LANES, Live, Owner, Request, Scrub, own_lane,
};
use epoch_arena_block::{Alignment, Memory, MemoryError, UserKind};

use crate::copy::copy;
use crate::error::AllocError;
use crate::growth::{self, First, Next};
use crate::stats::ArenaStats;
use crate::sync::{Arc, AtomicPtr, AtomicUsize, Ordering};
use crate::writer::total;

/// Chunks that threads fill at a time, each shared by those of a lane.
const SHARED: usize = LANES;

/// The place of the chunk for large values.
const LARGE: usize = SHARED;

/// The place of the last region that was taken for one value.
const ALONE: usize = SHARED + 1;

/// An arena for one epoch, which grows chunk by chunk, for use on its own: many threads allocate from
/// `&EpochArena` at once, and [`reset`](EpochArena::reset), which needs `&mut`, starts the next epoch.
///
/// Bytes are lent for the borrow of the arena, so no handle is needed and none is made, and an allocation may be
/// as long as the memory allows. Where epochs must end while others read, use `ArenaPool` of `epoch-arena-pool`.
///
/// Threads do not wait for each other: up to eight have a chunk each, and more than eight share these. Memory that the
/// arena gives up serves any other arena, pool or block over the same [`Memory`].
///
/// With the feature `allocator-api2`, `&EpochArena` is an allocator for collections.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_block::*; pub use epoch_arena_core::*; }
/// use epoch_arena::{EpochArena, Memory};
///
/// let mut arena = EpochArena::new(&Memory::builder().build()?);
/// let key = arena.alloc_copy(b"user:12345:profile")?;
/// key.make_ascii_uppercase();
/// assert_eq!(key, b"USER:12345:PROFILE");
/// assert_eq!(arena.stats().payload, 18);
/// arena.reset();
/// assert_eq!(arena.stats().payload, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// No reference outlives a reset or the arena:
///
/// ```compile_fail,E0502
/// # use epoch_arena_block::Memory;
/// # use epoch_arena_core::EpochArena;
/// let mut arena = EpochArena::new(&Memory::builder().build().unwrap());
/// let key = arena.alloc_copy(b"key").unwrap();
/// arena.reset();
/// assert_eq!(key, b"key");
/// ```
///
/// ```compile_fail,E0505
/// # use epoch_arena_block::Memory;
/// # use epoch_arena_core::EpochArena;
/// let arena = EpochArena::new(&Memory::builder().build().unwrap());
/// let key = arena.alloc_copy(b"key").unwrap();
/// drop(arena);
/// assert_eq!(key, b"key");
/// ```
pub struct EpochArena {
    memory: Memory,
    account: Arc<Account>,
    chunks: ChunkList,
    /// The chunks that threads fill, each by its lane, and behind them those of [`LARGE`] and [`ALONE`]; or null.
    /// Invariant: if not null, a chunk that went on `chunks` since the last reset.
    current: [AtomicPtr<()>; SHARED + 2],
    /// Allocations and payload bytes to be added to those of the chunks, wrapping. The chunks count too many where an
    /// allocation ended that was not the last of its chunk.
    beside: [AtomicUsize; 2],
}

impl EpochArena {
    /// An empty arena over `memory`; it takes nothing before the first allocation. The memory lists it with
    /// the place of this call ([`Memory::usage`]).
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let memory = Memory::builder().build()?;
    /// let arena = EpochArena::new(&memory);
    /// assert_eq!(memory.stats().reserved, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new(memory: &Memory) -> Self {
        Self {
            memory: memory.clone(),
            account: memory.open_account(UserKind::Arena, Location::caller()),
            chunks: ChunkList::new(),
            current: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
            beside: [AtomicUsize::new(0), AtomicUsize::new(0)],
        }
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            chunks: &self.chunks,
            account: &self.account,
        }
    }

    /// Forgets all allocations and gives their memory up, at once: the next allocation, of this arena or of any
    /// other user of the memory, has it. Constant time. (In builds with debug assertions it overwrites the
    /// used bytes, so that a late use shows.)
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let mut arena = EpochArena::new(&Memory::builder().budget(2 << 20).build()?);
    /// for _ in 0..100 {
    ///     arena.alloc_copy(&[7; 1_000_000])?; // half of the budget, each time
    ///     arena.reset();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&mut self) {
        for current in &self.current {
            // Relaxed: `&mut` excludes every other access.
            current.store(null_mut(), Ordering::Relaxed);
        }
        for beside in &self.beside {
            // Relaxed: as above.
            beside.store(0, Ordering::Relaxed);
        }
        // SAFETY: 1. and 2. `&mut self`: every borrow of the arena has ended, and bytes of its chunks are
        // lent for such borrows only.
        unsafe { self.chunks.scrub(Scrub::default()) };
        // SAFETY: as above.
        unsafe { self.memory.give_up(self.owner()) };
    }

    /// Copies `bytes` into the arena, packed.
    ///
    /// Lock-free unless a chunk is full.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: over the budget, more than the address space, or the source failed; nothing is changed.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let arena = EpochArena::new(&Memory::builder().build()?);
    /// let (a, b) = (arena.alloc_copy(b"a")?, arena.alloc_copy(b"b")?);
    /// std::mem::swap(&mut a[0], &mut b[0]); // each its own bytes
    /// assert_eq!((&*a, &*b), (&b"b"[..], &b"a"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alloc_copy(&self, bytes: &[u8]) -> Result<&mut [u8], AllocError> {
        self.alloc_copy_aligned(bytes, Alignment::BYTE)
    }

    /// Copies `bytes` into the arena, at an address of the given alignment.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](Self::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_block::{Alignment, Memory};
    /// # use epoch_arena_core::EpochArena;
    /// let arena = EpochArena::new(&Memory::builder().build()?);
    /// let lanes = arena.alloc_copy_aligned(&[7; 64], Alignment::new(32)?)?;
    /// assert_eq!(lanes.as_ptr().addr() % 32, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::mut_from_ref, reason = "each call gives bytes of its own")]
    pub fn alloc_copy_aligned(
        &self,
        bytes: &[u8],
        align: Alignment,
    ) -> Result<&mut [u8], AllocError> {
        let first = self.claim_bytes(bytes.len(), align)?;
        // SAFETY: 1. `claim_bytes` gave `len` bytes for this call alone; 2. so `bytes`, which
        // the caller has, does not overlap them.
        unsafe { copy(bytes, first) };
        // SAFETY: just initialised, and this call's alone until a reset or the drop, which the
        // borrow of `self` excludes.
        Ok(unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), bytes.len()) })
    }

    /// Allocates `len` bytes at an aligned address and lends them, uninitialised.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](Self::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_block::{Alignment, Memory};
    /// # use epoch_arena_core::EpochArena;
    /// let arena = EpochArena::new(&Memory::builder().build()?);
    /// let room = arena.alloc_uninit(8, Alignment::new(8)?)?;
    /// room[0].write(1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::mut_from_ref, reason = "each call gives bytes of its own")]
    pub fn alloc_uninit(
        &self,
        len: usize,
        align: Alignment,
    ) -> Result<&mut [MaybeUninit<u8>], AllocError> {
        let first = self.claim_bytes(len, align)?.cast::<MaybeUninit<u8>>();
        // SAFETY: as in `alloc_copy_aligned`; `MaybeUninit` has no requirement on the bytes.
        Ok(unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), len) })
    }

    /// The figures of this moment. Walks the chunks.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let arena = EpochArena::new(&Memory::builder().build()?);
    /// arena.alloc_copy(b"user:12345")?;
    /// let stats = arena.stats();
    /// assert_eq!((stats.payload, stats.allocations), (10, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> ArenaStats {
        // Before the walk: the chunks count an allocation first, and `beside` takes it off when it ends. Relaxed:
        // figures of a moment; no order is implied, hence the saturation below.
        let beside = self.beside.each_ref().map(|b| b.load(Ordering::Relaxed));
        let [allocations, payload] = beside.map(|count| count as isize);
        // SAFETY: they are given up by `&mut self` only.
        let mut usage = unsafe { self.chunks.usage() };
        usage.allocations = usage.allocations.saturating_add_signed(allocations);
        usage.payload = usage.payload.saturating_add_signed(payload);
        ArenaStats::new(usage)
    }

    /// The chunk in one of the places of `current`, if there is one.
    pub(crate) fn shared(&self, place: usize) -> Option<Live<'_>> {
        // Acquire: pairs with the Release in `share`, which publishes the chunk's header.
        let current = Chunk::from_raw(self.current[place].load(Ordering::Acquire))?;
        // SAFETY: by the invariant of `current` it was taken since the last reset, so it
        // exists until the next one, which the borrow of `self` excludes.
        Some(unsafe { current.live() })
    }

    /// The chunks in which this thread's last allocation may be.
    pub(crate) fn mine(&self) -> impl Iterator<Item = Live<'_>> {
        let places = [own_lane(), LARGE, ALONE];
        places.into_iter().filter_map(|place| self.shared(place))
    }

    /// Bytes that are this call's alone, until they are given back.
    #[inline]
    pub(crate) fn claim_bytes(
        &self,
        len: usize,
        align: Alignment,
    ) -> Result<NonNull<u8>, AllocError> {
        let place = own_lane();
        let bump = |live: Live<'_>| live.bump_shared(len, align);
        match self.shared(place).and_then(bump) {
            Some(first) => Ok(first),
            None => self.claim_elsewhere(place, len, align),
        }
    }

    /// Counts `allocations` and `payload` more, or less, than the chunks do.
    pub(crate) fn count_beside(&self, allocations: isize, payload: isize) {
        let [counted, bytes] = &self.beside;
        // Relaxed: figures. Wrapping, both.
        counted.fetch_add(allocations as usize, Ordering::Relaxed);
        bytes.fetch_add(payload as usize, Ordering::Relaxed);
    }

    #[cold]
    fn claim_elsewhere(
        &self,
        place: usize,
        len: usize,
        align: Alignment,
    ) -> Result<NonNull<u8>, AllocError> {
        let total = total(len, align).ok_or(MemoryError::TooLarge)?;
        // An equal share for each place: a hint for the size of the next chunk.
        let taken = self.chunks.bytes() / SHARED;
        let unit = self.memory.block_size();
        match growth::next(total, (taken, taken), First::new(), unit, false) {
            Next::Chunk(request) => self.grow(place, len, align, request),
            Next::Large(request) => self.grow(LARGE, len, align, request),
            Next::Alone(request) => self.claim_alone(len, align, request),
            Next::TooLarge => Err(MemoryError::TooLarge.into()),
        }
    }

    /// A region of its own, or the rest of the last one: a value that was given back leaves all of it, and
    /// one that grows stays in it. Where it is longer than offsets reach, it is counted beside its chunk.
    fn claim_alone(
        &self,
        len: usize,
        align: Alignment,
        request: Request,
    ) -> Result<NonNull<u8>, AllocError> {
        let last = self.shared(ALONE);
        if let Some(first) = last.and_then(|live| live.bump_shared(len, align)) {
            return Ok(first);
        }
        let live = self.take(request)?;
        if let Some(first) = live.bump_shared(len, align) {
            self.share(ALONE, last.map(Live::chunk), live.chunk());
            return Ok(first);
        }
        // SAFETY: taken just now, so no other thread knows it.
        let first = unsafe { live.claim_whole(len, align) }.ok_or(MemoryError::TooLarge)?;
        self.count_beside(1, len as isize);
        Ok(first)
    }

    /// Claims from a new chunk, and has it shared.
    fn grow(
        &self,
        place: usize,
        len: usize,
        align: Alignment,
        request: Request,
    ) -> Result<NonNull<u8>, AllocError> {
        let bump = |live: Live<'_>| live.bump_shared(len, align);
        let full = self.shared(place);
        if let Some(first) = full.filter(|_| place == LARGE).and_then(bump) {
            return Ok(first);
        }
        let live = match self.take(request) {
            Ok(live) => live,
            // Another thread may have shared a new chunk, the last one of the budget.
            Err(refused) => return self.shared(place).and_then(bump).ok_or(refused),
        };
        // Claimed before it is shared, so that no other thread can fill it first.
        let first = bump(live).ok_or(MemoryError::TooLarge)?;
        // If another thread was first, its chunk is shared, and the rest of this one stays empty: each
        // thread that shares a place can lose one chunk like that.
        self.share(place, full.map(Live::chunk), live.chunk());
        Ok(first)
    }

    fn take(&self, request: Request) -> Result<Live<'_>, AllocError> {
        let taken = self.memory.take(self.owner(), request);
        let chunk = taken.map_err(|refused| refused.of(self.account.bytes(), 0))?;
        // SAFETY: taken just now; as in `shared`.
        Ok(unsafe { chunk.live() })
    }

    /// Makes `chunk` the one of a place, if `full` still is.
    pub(crate) fn share(&self, place: usize, full: Option<Chunk>, chunk: Chunk) {
        let full = full.map_or(null_mut(), Chunk::to_raw);
        // Release on success: publishes the header, pairs with the Acquire in `shared`. Relaxed on failure:
        // another chunk is shared, and this call reads nothing of it.
        let _ = self.current[place].compare_exchange(
            full,
            chunk.to_raw(),
            Ordering::Release,
            Ordering::Relaxed,
        );
    }
}

impl Drop for EpochArena {
    fn drop(&mut self) {
        self.reset();
        self.memory.end_account(&self.account);
        self.memory.trim_to_high_water();
    }
}

impl fmt::Debug for EpochArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochArena")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
