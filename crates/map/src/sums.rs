//! How many records a map has, and how many bytes: sums of a few counters, one for some threads each.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use epoch_arena_pool::Alignment;

use crate::sync::{AtomicPtr, AtomicU64, Ordering, StaticAtomicUsize};

/// How many counters there are.
const LANES: usize = 8;

/// A counter on a cache line of its own.
#[repr(align(64))]
struct Lane {
    records: AtomicU64,
    bytes: AtomicU64,
}

type Lanes = [Lane; LANES];

/// The bytes and the alignment of the counters.
pub(crate) const SIZE: usize = LANES * size_of::<Lane>();
pub(crate) const ALIGN: Alignment = Alignment::LINE;

/// Memory for the counters.
pub(crate) struct Room<'m> {
    /// Invariant: as promised to `new`.
    first: NonNull<u8>,
    life: PhantomData<&'m Lane>,
}

impl Room<'_> {
    /// # Safety
    ///
    /// 1. [`SIZE`] bytes from `first` on, aligned to [`ALIGN`], are valid for reads and writes and the
    ///    caller's alone, who uses them no more.
    /// 2. They are of an epoch that is held for the lifetime of the result.
    pub unsafe fn new(first: NonNull<u8>) -> Self {
        Self {
            first,
            life: PhantomData,
        }
    }
}

/// Null while the map has one leaf, which is counted when it is asked for: a small map has no counters.
pub(crate) struct Count {
    /// Invariant: null, or counters that were complete before they were stored here, of an epoch that is
    /// held for as long as this value.
    lanes: AtomicPtr<Lane>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub records: usize,
    pub bytes: usize,
}

impl Count {
    pub fn new() -> Self {
        Self {
            lanes: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    #[inline(always)]
    fn lanes(&self) -> Option<&Lanes> {
        // Acquire: pairs with the Release in `begin`: the counters are initialised.
        let lanes = NonNull::new(self.lanes.load(Ordering::Acquire))?;
        // SAFETY: the counters of `begin`, complete, held, and changed by atomics only.
        Some(unsafe { lanes.cast().as_ref() })
    }

    pub fn has_begun(&self) -> bool {
        self.lanes().is_some()
    }

    /// Begins to count with what there is, under the lock of the only leaf, of which all of it is.
    ///
    /// # Safety
    ///
    /// The epoch of `room` is held for as long as this value.
    pub unsafe fn begin(&self, room: Room<'_>, sum: Sum) {
        let lanes = room.first.cast::<Lane>();
        for index in 0..LANES {
            let of = |figure: usize| AtomicU64::new(if index == 0 { figure as u64 } else { 0 });
            let lane = Lane {
                records: of(sum.records),
                bytes: of(sum.bytes),
            };
            // SAFETY: inside the room, aligned and unshared.
            unsafe { lanes.add(index).write(lane) };
        }
        // Release: pairs with the Acquire in `lanes`.
        self.lanes.store(lanes.as_ptr(), Ordering::Release);
    }

    /// Adds, if counting has begun. The caller has held the lock of the leaf that the records went to since
    /// then: had it not begun, the thread that begins finds them in the only leaf.
    #[inline]
    pub fn add(&self, records: u64, bytes: usize) {
        if let Some(lanes) = self.lanes() {
            let lane = &lanes[lane()];
            // Relaxed: figures; nothing is decided by them.
            lane.records.fetch_add(records, Ordering::Relaxed);
            lane.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// The sum, or none before counting has begun.
    pub fn sum(&self) -> Option<Sum> {
        let mut sum = Sum::default();
        for lane in self.lanes()? {
            // Relaxed: figures of a moment.
            sum.records += lane.records.load(Ordering::Relaxed) as usize;
            sum.bytes += lane.bytes.load(Ordering::Relaxed) as usize;
        }
        Some(sum)
    }
}

/// The counter of this thread.
#[inline]
fn lane() -> usize {
    static THREADS: StaticAtomicUsize = StaticAtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    LANE.with(|lane| {
        if lane.get() == usize::MAX {
            // Relaxed: divides threads, and nothing else.
            lane.set(THREADS.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        lane.get()
    })
}
