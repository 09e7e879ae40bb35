//! Leases and snapshots, with keys that they hold: any thread may read them, and drop them.

use std::sync::Arc;

use epoch_arena::{ArenaKey, Lease, Resolve, Snapshot};

use crate::counts::{add, one};
use crate::key::is_whole;
use crate::rng::Rng;
use crate::scene::{Scene, Slot};

/// A lease or snapshot.
pub struct Lent {
    lessor: Lessor,
    /// Keys of the epochs that it holds.
    keys: Vec<ArenaKey>,
}

#[derive(Clone)]
enum Lessor {
    Lease(Lease),
    Snapshot(Snapshot),
}

impl Lessor {
    fn get(&self, key: ArenaKey) -> Option<&[u8]> {
        fn bytes(key: ArenaKey, resolve: &impl Resolve) -> Option<&[u8]> {
            key.resolve(resolve).map(|key| key.as_bytes())
        }
        match self {
            Self::Lease(lease) => bytes(key, lease),
            Self::Snapshot(snapshot) => bytes(key, snapshot),
        }
    }
}

impl Lent {
    /// All its keys are there, and whole.
    pub fn check(&self, scene: &Scene) {
        for key in &self.keys {
            match self.lessor.get(*key) {
                Some(bytes) if is_whole(bytes) => {}
                Some(_) => scene.fail(format!("{key:?} is wrong under a lease")),
                None => scene.fail(format!("{key:?} is gone under a lease")),
            }
        }
        add(&scene.counts.reads, self.keys.len());
    }
}

/// Takes a lease or snapshot, notes keys that it holds, and lays it where others find it.
pub fn take(scene: &Scene, slot: &Arc<Slot>, rng: &mut Rng) {
    let pool = &slot.pool;
    let lessor = if rng.once_in(3) {
        Some(Lessor::Snapshot(pool.snapshot()))
    } else {
        let epoch = slot
            .key(rng)
            .map_or(pool.current_epoch(), |key| key.epoch());
        pool.lease(epoch).map(Lessor::Lease)
    };
    let Some(lessor) = lessor else { return };
    let keys = (0..64).filter_map(|_| slot.key(rng));
    let keys = keys.filter(|key| lessor.get(*key).is_some()).collect();
    let lent = Lent { lessor, keys };
    lent.check(scene);
    one(&scene.counts.leases);
    let old = scene.lent(rng).replace(lent);
    drop(old);
}

/// Reads, clones or drops one of those that lie about.
pub fn visit(scene: &Scene, rng: &mut Rng) {
    let mut place = scene.lent(rng);
    match rng.below(4) {
        0 => {
            let gone = place.take();
            drop(place);
            if let Some(gone) = gone {
                gone.check(scene);
            }
        }
        1 => {
            let copy = place.as_ref().map(|lent| Lent {
                lessor: lent.lessor.clone(),
                keys: lent.keys.clone(),
            });
            drop(place);
            if let Some(copy) = copy {
                copy.check(scene);
                let old = scene.lent(rng).replace(copy);
                drop(old);
            }
        }
        _ => {
            if let Some(lent) = &*place {
                lent.check(scene);
            }
        }
    }
}
