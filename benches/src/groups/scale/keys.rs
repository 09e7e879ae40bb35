//! Sweeps over the number and the length of keys.

use std::hint::black_box;

use crate::clock;
use crate::contest::{Contestant, LEFT_OVER, Plan, Resolver, room};
use crate::contestants::{Visit, VisitResolver};
use crate::groups::Lane;
use crate::shuffle::shuffle;
use crate::wire::Keys;

/// Puts that are timed at least, in one pass or several, so that the clock's own cost does not show.
const PUTS: usize = 1 << 20;
/// Bytes that are put at least, for the same reason where keys are long.
const BYTES: usize = 1 << 23;
/// Handles that are resolved at most: a sample of all.
const SAMPLE: usize = 1 << 18;
/// Other memory that is written before an epoch is given back: more than the caches hold.
const OTHER_BYTES: usize = 64 << 20;
/// Payload of a pass over keys of one length: it fits a second-level cache.
const LENGTH_BYTES: usize = 5 << 18;

/// Many keys: the same few over and over, so that reading one costs the same however many are put.
#[derive(Clone, Copy)]
pub struct Load {
    keys: &'static Keys,
    passes: usize,
    /// The state after the passes.
    rest: &'static Keys,
}

impl Load {
    /// `count` keys.
    pub fn new(keys: &'static Keys, count: usize) -> Self {
        // Leaked, as all keys are: the process lives for them.
        let rest = Box::leak(Box::new(keys.exactly(count % keys.len())));
        Self {
            keys,
            passes: count / keys.len(),
            rest,
        }
    }

    fn count(&self) -> usize {
        self.passes * self.keys.len() + self.rest.len()
    }

    fn bytes(&self) -> usize {
        self.passes * self.keys.payload() + self.rest.payload()
    }

    fn plan(&self) -> Plan {
        Plan {
            workers: 1,
            keys: self.count(),
            bytes: self.bytes(),
            roomy: true,
        }
    }

    /// All handles that own memory are kept; each pass overwrites the others.
    fn room<C: Contestant>(&self) -> Vec<C::Handle> {
        room(if std::mem::needs_drop::<C::Handle>() {
            self.count()
        } else {
            self.count().min(self.keys.len())
        })
    }

    fn fill<C: Contestant>(&self, worker: &mut C, out: &mut Vec<C::Handle>) {
        self.fill_each(worker, out, |out| {
            if !std::mem::needs_drop::<C::Handle>() {
                out.clear();
            }
        });
    }

    fn fill_each<C: Contestant>(
        &self,
        worker: &mut C,
        out: &mut Vec<C::Handle>,
        mut after: impl FnMut(&mut Vec<C::Handle>),
    ) {
        for _ in 0..self.passes {
            worker.fill(self.keys, out);
            black_box(&out);
            after(out);
        }
        worker.fill(self.rest, out);
        black_box(&out);
        after(out);
    }
}

/// Drops the keys, and makes their memory available to the next ones.
fn give_back<C: Contestant>(worker: &mut C, out: &mut Vec<C::Handle>) {
    worker.reset(out);
    worker.reset_shared();
    assert!(worker.is_reclaimed(), "{LEFT_OVER}");
}

/// Warm puts by one thread.
pub struct Put {
    load: Load,
    passes: usize,
}

impl Put {
    /// Of so many keys.
    pub fn of_many(keys: &'static Keys, count: usize) -> Self {
        Self {
            load: Load::new(keys, count),
            passes: (PUTS / count).max(1),
        }
    }

    /// Of these keys.
    pub fn of_all(keys: &'static Keys) -> Self {
        Self {
            load: Load::new(keys, keys.len()),
            passes: (BYTES / keys.payload()).max(1),
        }
    }
}

impl Visit for Put {
    type Out = Lane;

    fn visit<C: Contestant + 'static>(self) -> Lane {
        let load = self.load;
        let mut crew = C::crew(load.plan());
        let mut out = load.room::<C>();
        Box::new(move || {
            let worker = &mut crew[0];
            load.fill(worker, &mut out);
            give_back(worker, &mut out);
            let mut total = 0.0;
            for _ in 0..self.passes {
                total += clock::time(|| load.fill(worker, &mut out)).0;
                give_back(worker, &mut out);
            }
            total / (self.passes * load.count()) as f64
        })
    }
}

/// Resolves of handles, in random order.
pub struct Resolve(Load);

impl Resolve {
    /// Of so many keys.
    pub fn of_many(keys: &'static Keys, count: usize) -> Self {
        Self(Load::new(keys, count))
    }
}

impl VisitResolver for Resolve {
    type Out = Lane;

    fn visit<C: Resolver + 'static>(self) -> Lane {
        let load = self.0;
        let mut crew = C::crew(load.plan());
        let mut out = load.room::<C>();
        let step = load.count().div_ceil(SAMPLE).max(1);
        let mut sample = Vec::with_capacity(SAMPLE);
        load.fill_each(&mut crew[0], &mut out, |out| {
            sample.extend(out.drain(..).step_by(step));
        });
        shuffle(&mut sample);
        Box::new(move || time_resolves(&mut crew[0], &sample))
    }
}

/// The time of one resolve, when each handle was just resolved once.
pub fn time_resolves<C: Resolver>(worker: &mut C, handles: &[C::Handle]) -> f64 {
    let passes = SAMPLE.div_ceil(handles.len());
    black_box(worker.resolve(handles));
    let (nanos, ()) = clock::time(|| {
        for _ in 0..passes {
            black_box(worker.resolve(black_box(handles)));
        }
    });
    nanos / (passes * handles.len()) as f64
}

/// Retiring an epoch and taking its memory back.
pub struct Advance(Load);

impl Advance {
    /// With so many keys in it.
    pub fn of_many(keys: &'static Keys, count: usize) -> Self {
        Self(Load::new(keys, count))
    }
}

impl Visit for Advance {
    type Out = Lane;

    fn visit<C: Contestant + 'static>(self) -> Lane {
        let load = self.0;
        let mut crew = C::crew(load.plan());
        let mut out = load.room::<C>();
        let mut other = vec![1_u8; OTHER_BYTES];
        Box::new(move || {
            let worker = &mut crew[0];
            load.fill(worker, &mut out);
            // Many keys leave nothing in the caches, few leave all: the comparison would be of the caches.
            other.iter_mut().step_by(64).for_each(|byte| *byte ^= 1);
            black_box(&other);
            let (nanos, ()) = clock::time(|| {
                worker.reset(&mut out);
                worker.reset_shared();
            });
            assert!(worker.is_reclaimed(), "{LEFT_OVER}");
            nanos / 1000.0
        })
    }
}

/// Keys of `len` bytes, as many as fit a pass.
pub fn of_length(len: usize) -> &'static Keys {
    let mut keys = Keys::default();
    let mut key = vec![0; len];
    for at in 0..(LENGTH_BYTES / len).clamp(1, 1 << 16) {
        let number = (at as u64).to_le_bytes();
        let told = len.min(number.len());
        key[..told].copy_from_slice(&number[..told]);
        keys.push(&key);
    }
    Box::leak(Box::new(keys))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::{Boxes, Ours, PIN_PER_64};
    use crate::wire::KeySource;

    fn keys(count: usize) -> &'static Keys {
        Box::leak(Box::new(KeySource::Fix16.load(count).unwrap()))
    }

    #[test]
    fn a_load_is_as_many_keys_as_were_asked_for() {
        for count in [1, 9, 10, 11, 25, 100] {
            let load = Load::new(keys(10), count);
            assert_eq!((load.count(), load.bytes()), (count, 16 * count));
            let mut boxes = Boxes::<false>::crew(load.plan());
            let mut out = load.room::<Boxes<false>>();
            load.fill(&mut boxes[0], &mut out);
            assert_eq!(out.len(), count, "boxes are kept");
            let (mut ours, mut put) = (Ours::<PIN_PER_64>::crew(load.plan()), 0);
            let mut out = load.room::<Ours<PIN_PER_64>>();
            load.fill_each(&mut ours[0], &mut out, |out| {
                put += out.len();
                out.clear();
            });
            assert_eq!(put, count);
        }
    }

    #[test]
    fn keys_of_one_length_fit_a_pass() {
        for len in [1, 4, 16, 65_536] {
            let keys = of_length(len);
            assert!(!keys.is_empty() && keys.payload() <= LENGTH_BYTES);
            assert!(keys.iter().all(|key| key.len() == len));
        }
    }
}
