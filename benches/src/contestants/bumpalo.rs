//! bumpalo: one arena per thread, no epochs.
#![cfg(feature = "peer-bumpalo")]

use ::bumpalo::Bump;

use crate::contest::{Contestant, Plan, Raw};

/// A `Bump` per worker.
#[derive(Debug)]
pub struct Bumpalo(Bump);

impl Contestant for Bumpalo {
    type Handle = Raw;

    fn crew(plan: Plan) -> Vec<Self> {
        // `reset` keeps the last chunk only; one that holds everything is bumpalo's best case.
        let worker = || {
            Self(if plan.roomy {
                Bump::with_capacity(plan.bytes)
            } else {
                Bump::new()
            })
        };
        (0..plan.workers).map(|_| worker()).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Raw {
        Raw::new(self.0.alloc_slice_copy(key))
    }

    fn reset(&mut self, out: &mut Vec<Raw>) {
        out.clear();
        self.0.reset();
    }

    fn reserved(&self) -> Option<usize> {
        Some(self.0.allocated_bytes())
    }
}
