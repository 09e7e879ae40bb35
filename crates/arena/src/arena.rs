//! `EpochArena`: one epoch's arena on its own, without a pool.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use epoch_arena_block::{Alignment, Memory, shadow};

use crate::chunk::{Chunk, Live};
use crate::chunks::{Chunks, total};
use crate::class::Class;
use crate::copy::copy;
use crate::epoch::{EPOCHS, Epoch, EpochCounter};
use crate::error::AllocError;
use crate::pack::{MAX_EPOCH, MAX_LEN};
use crate::scrub::Scrub;
use crate::stats::ArenaStats;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// An arena that is tagged with one epoch and grows block by block, for use on its own: many
/// threads allocate from `&EpochArena` at once, and [`reset`](EpochArena::reset), which needs
/// `&mut`, starts the next epoch with the same memory.
///
/// Bytes are lent for the borrow of the arena, so no handle is needed and none is made. Where
/// epochs must end while others read, use `ArenaPool` of `epoch-arena-pool`; its writes are
/// faster too, as they share no counter.
///
/// Where a collection takes an allocator, `&EpochArena` is one, with the feature `allocator-api2`.
///
/// Memory is taken in chunks that grow with the arena and never move; an oversize request gets a
/// chunk of its own and leaves the current one in use.
///
/// ```
/// use epoch_arena_block::Memory;
/// use epoch_arena_core::EpochArena;
///
/// let mut arena = EpochArena::new(&Memory::builder().build()?);
/// let key = arena.alloc_copy(b"user:12345:profile")?;
/// key.make_ascii_uppercase();
/// assert_eq!(key, b"USER:12345:PROFILE");
/// assert_eq!(arena.stats().payload, 18);
/// let epoch = arena.epoch();
/// assert!(arena.reset() > epoch);
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
    chunks: Chunks,
    /// The chunk that all threads share, or null.
    /// Invariant: if not null, a chunk that `chunks` handed out for arena 0 since the last reset.
    current: AtomicPtr<crate::chunk::Header>,
    /// Bytes of the shared chunks so far.
    taken: AtomicUsize,
    epoch: Epoch,
}

impl EpochArena {
    /// An empty arena over `memory`; it takes no block before the first allocation.
    ///
    /// Its epoch is drawn from the process-wide counter. (When that is used up, after its 40
    /// bits, arenas share the last number: they make no handles that could be confused.)
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let memory = Memory::builder().build()?;
    /// let arena = EpochArena::new(&memory);
    /// assert_eq!(memory.stats().reserved, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(memory: &Memory) -> Self {
        Self {
            chunks: Chunks::new(memory, 1, 1, Scrub::default()),
            current: AtomicPtr::new(std::ptr::null_mut()),
            taken: AtomicUsize::new(0),
            epoch: next_epoch(),
        }
    }

    /// The epoch that the arena is tagged with.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let memory = Memory::builder().build()?;
    /// let (one, two) = (EpochArena::new(&memory), EpochArena::new(&memory));
    /// assert!(one.epoch() < two.epoch()); // no number is given out twice
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Forgets all allocations, keeps the memory, and returns the new epoch. Constant time, apart
    /// from oversize allocations. (In builds with debug assertions it overwrites what was used,
    /// so that a late use shows.)
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let mut arena = EpochArena::new(&Memory::builder().budget(2 << 20).build()?);
    /// for _ in 0..100 {
    ///     arena.alloc_copy(&[7; 1_000_000])?; // half of the budget, each time
    ///     let before = arena.epoch();
    ///     assert!(arena.reset() > before);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&mut self) -> Epoch {
        // Relaxed: `&mut` excludes every other access.
        self.current.store(std::ptr::null_mut(), Ordering::Relaxed);
        self.taken.store(0, Ordering::Relaxed);
        // SAFETY: `&mut self`: every borrow of the arena has ended, and bytes of its chunks are
        // lent for such borrows only.
        unsafe { self.chunks.scrub(0) };
        // SAFETY: as above.
        unsafe { self.chunks.reclaim(0) };
        self.epoch = next_epoch();
        self.epoch
    }

    /// Copies `bytes` into the arena, packed.
    ///
    /// Lock-free unless a chunk is full.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: too long, over the budget, or the source failed; nothing is changed.
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
        // somebody has, does not overlap them.
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
        // SAFETY: as in `alloc_copy_aligned`; `MaybeUninit` asks nothing of the bytes.
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
    /// assert_eq!((stats.payload, stats.epoch), (10, arena.epoch()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> ArenaStats {
        ArenaStats::new(self.epoch, self.chunks.usage(0))
    }

    /// The chunk that all threads share now, if there is one.
    pub(crate) fn shared(&self) -> Option<Live<'_>> {
        // Acquire: pairs with the Release in `share`, which publishes the chunk's header.
        let current = Chunk::from_ptr(self.current.load(Ordering::Acquire))?;
        // SAFETY: by the invariant of `current` it was handed out since the last reset, so it
        // exists until the next one, which the borrow of `self` excludes.
        Some(unsafe { current.live() })
    }

    /// Bytes that are this call's alone, until they are given back.
    pub(crate) fn claim_bytes(
        &self,
        len: usize,
        align: Alignment,
    ) -> Result<NonNull<u8>, AllocError> {
        let current = self.shared();
        if let Some(live) = current
            && let Some(first) = live.bump_shared(len, align)
        {
            return Ok(first);
        }
        self.grow(current.map(Live::chunk), len, align)
    }

    /// Gives up the end of an allocation, and takes `ended` off the count, if it is the last one in
    /// the shared chunk.
    ///
    /// # Safety
    ///
    /// As for [`Live::retract_shared`], but that the chunk is whichever of this arena's.
    pub(crate) unsafe fn retract_last(
        &self,
        first: NonNull<u8>,
        len: usize,
        new_len: usize,
        ended: u32,
    ) {
        // SAFETY: inside the allocation, or at its end.
        let rest = unsafe { first.add(new_len) };
        // Before they can be claimed again; and where they cannot, they are of no use to anybody.
        // SAFETY: nobody uses them.
        unsafe { shadow::forbid_amid(rest, len - new_len) };
        if let Some(live) = self.shared() {
            // SAFETY: the same contract: where it is found in this chunk, it is of this arena.
            unsafe { live.retract_shared(first, len, new_len, ended) }
        }
    }

    #[cold]
    fn grow(
        &self,
        mut full: Option<Chunk>,
        len: usize,
        align: Alignment,
    ) -> Result<NonNull<u8>, AllocError> {
        if len > MAX_LEN {
            return Err(AllocError::TooLong);
        }
        let total = total(len, align.get()).ok_or(AllocError::TooLong)?;
        loop {
            // Another thread may have been faster, be it with the last block of the budget.
            if let Some(live) = self.shared()
                && full != Some(live.chunk())
            {
                if let Some(first) = live.bump_shared(len, align) {
                    return Ok(first);
                }
                full = Some(live.chunk());
            }
            // Relaxed: a hint for the size of the next chunk.
            let taken = self.taken.load(Ordering::Relaxed);
            let request = Class::request(total, taken, self.chunks.memory().block_size());
            let chunk = self.chunks.take(0, 0, total, request, || ())?;
            // SAFETY: handed out just now; as in `shared`.
            let live = unsafe { chunk.live() };
            if request.own {
                return live.bump_shared(len, align).ok_or(AllocError::TooLong);
            }
            match self.share(full, chunk) {
                Ok(()) => {
                    // Relaxed: as above.
                    self.taken.fetch_add(live.size(), Ordering::Relaxed);
                    if let Some(first) = live.bump_shared(len, align) {
                        return Ok(first);
                    }
                    // Others have filled it meanwhile.
                    full = Some(chunk);
                }
                Err(current) => {
                    // SAFETY: nobody else knows the chunk, and we have not claimed from it.
                    unsafe { self.chunks.give_back(0, chunk) };
                    // SAFETY: as in `shared`.
                    let live = unsafe { current.live() };
                    if let Some(first) = live.bump_shared(len, align) {
                        return Ok(first);
                    }
                    full = Some(current);
                }
            }
        }
    }

    /// Makes `chunk` the one that all threads share, in place of `full`; or gives the one that
    /// another thread has put there.
    pub(crate) fn share(&self, full: Option<Chunk>, chunk: Chunk) -> Result<(), Chunk> {
        let full = full.map_or(std::ptr::null_mut(), Chunk::as_ptr);
        // Release on success: publishes the header, pairs with the Acquire in `shared` and that
        // on failure here, which lets us use the other thread's chunk.
        let exchanged = self.current.compare_exchange(
            full,
            chunk.as_ptr(),
            Ordering::Release,
            Ordering::Acquire,
        );
        match exchanged.map_err(Chunk::from_ptr) {
            Ok(_) => Ok(()),
            // Between two resets the current chunk changes, but is never none again.
            Err(other) => other.map_or(Ok(()), Err),
        }
    }
}

fn next_epoch() -> Epoch {
    next_epoch_of(&EPOCHS)
}

fn next_epoch_of(counter: &EpochCounter) -> Epoch {
    let number = counter.draw(|_| true).unwrap_or(MAX_EPOCH);
    // SAFETY: drawn; or, at the end, the last that was.
    unsafe { Epoch::from_number(number) }
}

impl fmt::Debug for EpochArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochArena")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m4_bug05_at_the_last_number_arenas_stay_there_and_nothing_wraps() {
        let counter = EpochCounter::starting_at(MAX_EPOCH - 1);
        let numbers = [(); 4].map(|()| next_epoch_of(&counter).number());
        assert_eq!(numbers, [MAX_EPOCH - 1, MAX_EPOCH, MAX_EPOCH, MAX_EPOCH]);
    }
}
