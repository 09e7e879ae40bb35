//! One heap allocation per key, on whatever malloc the executable was built with.

use crate::contest::{Contestant, Plan};
use crate::shuffle::shuffle;

/// `Box<[u8]>` per key; freed in the order of the puts, or in a random one.
#[derive(Debug)]
pub struct Boxes<const SHUFFLED: bool>;

impl<const SHUFFLED: bool> Contestant for Boxes<SHUFFLED> {
    type Handle = Box<[u8]>;

    fn crew(plan: Plan) -> Vec<Self> {
        (0..plan.workers).map(|_| Self).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Box<[u8]> {
        Box::from(key)
    }

    fn disorder(&mut self, out: &mut Vec<Box<[u8]>>) {
        if SHUFFLED {
            shuffle(out);
        }
    }

    fn reset(&mut self, out: &mut Vec<Box<[u8]>>) {
        out.clear();
    }
}
