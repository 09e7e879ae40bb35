//! blink-alloc: the single-threaded arena, one per thread, and the synchronised one, shared.
#![cfg(feature = "peer-blink")]

use std::alloc::Layout;
use std::fmt::Debug;
use std::ptr::NonNull;
use std::sync::Arc;

use blink_alloc::{BlinkAlloc, SyncBlinkAlloc};

use crate::contest::{Contestant, Plan, Raw};

/// Room for the header of a chunk and its alignment.
const SLACK: usize = 4096;

/// A `BlinkAlloc` per worker.
pub struct Local(BlinkAlloc);

// SAFETY: the arena is used by one thread at a time; nothing of it is bound to the thread that made it.
unsafe impl Send for Local {}

impl Contestant for Local {
    type Handle = Raw;

    fn crew(plan: Plan) -> Vec<Self> {
        let worker = || {
            if plan.roomy {
                BlinkAlloc::with_chunk_size(plan.bytes + SLACK)
            } else {
                BlinkAlloc::new()
            }
        };
        (0..plan.workers).map(|_| Self(worker())).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Raw {
        copy(key, |layout| self.0.allocate(layout))
    }

    fn reset(&mut self, out: &mut Vec<Raw>) {
        out.clear();
        self.0.reset();
    }
}

/// One `SyncBlinkAlloc` for the whole crew.
#[derive(Clone)]
pub struct Sync(Arc<SyncBlinkAlloc>);

impl Contestant for Sync {
    type Handle = Raw;

    fn crew(plan: Plan) -> Vec<Self> {
        let shared = if plan.roomy {
            SyncBlinkAlloc::with_chunk_size_in(
                plan.workers * (plan.bytes + SLACK),
                Default::default(),
            )
        } else {
            SyncBlinkAlloc::new()
        };
        vec![Self(Arc::new(shared)); plan.workers]
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Raw {
        copy(key, |layout| self.0.allocate(layout))
    }

    fn reset(&mut self, out: &mut Vec<Raw>) {
        out.clear();
    }

    fn reset_shared(&mut self) {
        // SAFETY: every worker has reset, so no handle is left, and none of them allocates meanwhile.
        unsafe { self.0.reset_unchecked() };
    }
}

#[inline(always)]
fn copy<E: Debug>(key: &[u8], allocate: impl FnOnce(Layout) -> Result<NonNull<[u8]>, E>) -> Raw {
    let to = allocate(Layout::for_value(key)).expect("memory for a key");
    let to = to.cast::<u8>().as_ptr();
    // SAFETY: `to` was just allocated for a key of this length.
    unsafe { key.as_ptr().copy_to_nonoverlapping(to, key.len()) };
    Raw::from_parts(to, key.len())
}
