//! The shared arena that people write by hand: an `Arc` behind a lock, a CAS on an offset, two counters.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use crate::contest::{Contestant, Plan, Resolver, look};
use crate::os::{Pages, Region};

/// One epoch's memory.
#[derive(Debug)]
struct Epoch {
    region: Region,
    offset: AtomicUsize,
    keys: AtomicU64,
    bytes: AtomicU64,
}

// SAFETY: the region is written only at offsets that one CAS gave to one thread, and read only where a place tells.
unsafe impl Sync for Epoch {}

/// One arena for the whole crew; a put clones the `Arc` of the current epoch, so that a swap cannot pull it away.
#[derive(Clone, Debug)]
pub struct Naive(Arc<RwLock<Arc<Epoch>>>);

/// Where a key lies.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    offset: usize,
    len: usize,
}

impl Naive {
    #[inline(always)]
    fn current(&self) -> Arc<Epoch> {
        Arc::clone(
            &self
                .0
                .read()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        )
    }
}

impl Contestant for Naive {
    type Handle = Place;

    fn crew(plan: Plan) -> Vec<Self> {
        let epoch = Epoch {
            region: Region::new(plan.workers * plan.bytes, Pages::Small),
            offset: AtomicUsize::new(0),
            keys: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        vec![Self(Arc::new(RwLock::new(Arc::new(epoch)))); plan.workers]
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Place {
        let epoch = self.current();
        let mut offset = epoch.offset.load(Ordering::Relaxed);
        loop {
            let end = offset + key.len();
            assert!(end <= epoch.region.len(), "the plan has room for every key");
            match epoch.offset.compare_exchange_weak(
                offset,
                end,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(moved) => offset = moved,
            }
        }
        // SAFETY: the CAS gave these bytes, which lie within the region, to this thread alone.
        unsafe {
            key.as_ptr()
                .copy_to_nonoverlapping(epoch.region.base().add(offset), key.len())
        };
        epoch.keys.fetch_add(1, Ordering::Relaxed);
        epoch.bytes.fetch_add(key.len() as u64, Ordering::Relaxed);
        Place {
            offset,
            len: key.len(),
        }
    }

    fn reset(&mut self, out: &mut Vec<Place>) {
        out.clear();
    }

    /// Its best case: the memory is reused. Swapping in a new epoch would start cold.
    fn reset_shared(&mut self) {
        self.current().offset.store(0, Ordering::Release);
    }

    fn reserved(&self) -> Option<usize> {
        Some(self.current().region.len())
    }
}

impl Resolver for Naive {
    #[inline(never)]
    fn resolve(&mut self, handles: &[Place]) -> u64 {
        let get = |place: &Place| {
            let epoch = self.current();
            // SAFETY: the place was written before it was handed out, and the arena was not reset since.
            look(unsafe {
                std::slice::from_raw_parts(epoch.region.base().add(place.offset), place.len)
            })
        };
        handles.iter().map(get).sum()
    }
}
