//! An epoch scheme per key: one allocation, and one `defer_destroy` for each.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use crossbeam_epoch::{Atomic, Collector, Guard, LocalHandle, Owned};

use crate::contest::{Contestant, Plan, Resolver, look};

/// Keys per pin, as for this library.
const BATCH: usize = 64;

/// Keys owned by crossbeam-epoch, with a collector of their own.
#[derive(Debug)]
pub struct Deferred(Collector);

type Key = Atomic<[MaybeUninit<u8>]>;

thread_local! {
    /// Registering costs half a microsecond, so each thread does it once per collector.
    static LOCAL: std::cell::RefCell<Option<(Collector, LocalHandle)>> = const { std::cell::RefCell::new(None) };
}

impl Deferred {
    fn pin(&self) -> Guard {
        LOCAL.with_borrow_mut(|local| match local {
            Some((collector, handle)) if *collector == self.0 => handle.pin(),
            stale => stale.insert((self.0.clone(), self.0.register())).1.pin(),
        })
    }
}

impl Contestant for Deferred {
    type Handle = Key;

    fn crew(plan: Plan) -> Vec<Self> {
        let collector = Collector::new();
        (0..plan.workers).map(|_| Self(collector.clone())).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Key {
        let mut owned = Owned::<[MaybeUninit<u8>]>::init(key.len());
        // SAFETY: the allocation has the key's length, and no other thread knows it yet.
        unsafe {
            key.as_ptr()
                .copy_to_nonoverlapping(owned.as_mut_ptr().cast(), key.len())
        };
        Atomic::from(owned)
    }

    /// Destroys every key, and waits until (nearly) all of it has happened: the work counts, not its postponement.
    fn reset(&mut self, out: &mut Vec<Key>) {
        for batch in out.chunks(BATCH) {
            let guard = self.pin();
            for key in batch {
                // SAFETY: each key is in `out` once, is not reachable after this call, and readers are pinned.
                unsafe { guard.defer_destroy(key.load(Ordering::Relaxed, &guard)) };
            }
            // A flush collects up to 8 bags of 64; without one, garbage grows faster than it goes.
            guard.flush();
        }
        out.clear();
        (0..BATCH).for_each(|_| self.pin().flush());
    }
}

impl Resolver for Deferred {
    #[inline(never)]
    fn resolve(&mut self, handles: &[Key]) -> u64 {
        let mut sum = 0;
        for batch in handles.chunks(BATCH) {
            let guard = self.pin();
            for key in batch {
                // SAFETY: it is destroyed by a reset only, which `&mut self` keeps away.
                let stored = unsafe { key.load(Ordering::Acquire, &guard).deref() };
                // SAFETY: `put` wrote every byte.
                let bytes =
                    unsafe { std::slice::from_raw_parts(stored.as_ptr().cast(), stored.len()) };
                sum += look(bytes);
            }
        }
        sum
    }
}
