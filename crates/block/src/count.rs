//! Counts what a thread writes to shared memory, in a build with `--cfg epoch_arena_count` only.
//!
//! Each crate's `sync.rs` then takes its atomics from here and tells [`locked`] of each lock. The
//! figures are a thread's own. It does not count crossbeam-epoch's atomics, the reference counts
//! of `Arc`, and the number of a temporary file.

use std::cell::Cell;
use std::sync::atomic::{self, Ordering};

/// The writes of a thread so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Atomic read-modify-writes, failed exchanges included, and two for each lock: taking it and
    /// leaving it.
    pub rmws: u64,
    /// Locks taken.
    pub locks: u64,
    /// Plain stores to atomics. Most go to lines that no other thread writes.
    pub stores: u64,
    /// Of all these writes, those to a cache line that another thread was the last to write: the
    /// line has to come over.
    pub taken_over: u64,
}

impl Counts {
    /// The writes since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            rmws: self.rmws - earlier.rmws,
            locks: self.locks - earlier.locks,
            stores: self.stores - earlier.stores,
            taken_over: self.taken_over - earlier.taken_over,
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            rmws: sum.rmws + one.rmws,
            locks: sum.locks + one.locks,
            stores: sum.stores + one.stores,
            taken_over: sum.taken_over + one.taken_over,
        })
    }
}

thread_local! {
    static COUNTS: Cell<Counts> = const {
        Cell::new(Counts { rmws: 0, locks: 0, stores: 0, taken_over: 0 })
    };
    /// This thread's number, from 1 on; 0 is not given yet.
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

static THREADS: atomic::AtomicU32 = atomic::AtomicU32::new(0);

/// The thread that wrote a cache line last, at a place that its address is hashed to. There are so many places that
/// the few thousand lines of a pool hardly ever share one.
static WRITERS: [atomic::AtomicU32; 1 << 22] = [const { atomic::AtomicU32::new(0) }; 1 << 22];

/// The writes of this thread so far.
pub fn counts() -> Counts {
    COUNTS.get()
}

/// Counts a lock of `mutex`.
pub fn locked<T>(mutex: &T) {
    note(mutex, |counts| {
        counts.rmws += 2;
        counts.locks += 1;
    });
}

fn note<T>(place: &T, count: impl FnOnce(&mut Counts)) {
    let thread = match THREAD.get() {
        0 => {
            // Relaxed: only uniqueness is needed.
            let number = THREADS.fetch_add(1, Ordering::Relaxed) + 1;
            THREAD.set(number);
            number
        }
        number => number,
    };
    let line = std::ptr::from_ref(place).addr() as u64 >> 6;
    let at = line.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 22);
    // Relaxed: nothing is decided by it.
    let last = WRITERS[at as usize].swap(thread, Ordering::Relaxed);
    let mut counts = COUNTS.get();
    count(&mut counts);
    counts.taken_over += u64::from(last != thread && last != 0);
    COUNTS.set(counts);
}

/// An atomic that counts; the operations that the library uses.
macro_rules! counting {
    ($(#[$doc:meta])* $name:ident $(<$of:ident>)?, $value:ty) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name $(<$of>)? (atomic::$name $(<$of>)?);

        #[allow(missing_docs, reason = "as the atomic it stands for")]
        impl $(<$of>)? $name $(<$of>)? {
            pub const fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            #[inline]
            pub fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            #[inline]
            pub fn store(&self, value: $value, order: Ordering) {
                note(self, |counts| counts.stores += 1);
                self.0.store(value, order);
            }

            #[inline]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                note(self, |counts| counts.rmws += 1);
                self.0.swap(value, order)
            }

            #[inline]
            pub fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                note(self, |counts| counts.rmws += 1);
                self.0.compare_exchange(from, to, success, failure)
            }

            #[inline]
            pub fn compare_exchange_weak(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                note(self, |counts| counts.rmws += 1);
                self.0.compare_exchange_weak(from, to, success, failure)
            }
        }
    };
}

/// The further operations of integers.
macro_rules! counting_integer {
    ($name:ident, $value:ty) => {
        counting!(
            /// The standard library's, counted.
            $name, $value
        );

        #[allow(missing_docs, reason = "as the atomic it stands for")]
        impl $name {
            #[inline]
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                note(self, |counts| counts.rmws += 1);
                self.0.fetch_add(value, order)
            }

            #[inline]
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                note(self, |counts| counts.rmws += 1);
                self.0.fetch_sub(value, order)
            }

            #[inline]
            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                note(self, |counts| counts.rmws += 1);
                self.0.fetch_max(value, order)
            }
        }
    };
}

counting_integer!(AtomicU32, u32);
counting_integer!(AtomicU64, u64);
counting_integer!(AtomicUsize, usize);
counting!(
    /// The standard library's, counted.
    AtomicPtr<T>, *mut T
);
