//! Moments in which no worker runs, and the checks of everything at that time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use epoch_arena::ArenaPool;
use epoch_arena::crossbeam_epoch::{self, Collector};

use crate::scene::{Scene, Slot, Store, lock};

/// The findings.
#[derive(Clone, Copy, Debug)]
pub struct Calm {
    /// Bytes of both memories in use, with the live epochs there.
    pub in_use: usize,
    /// Resident bytes of the process, with nothing there.
    pub resident: usize,
}

/// Waits until no worker runs, lets go of all leases and maps, and checks.
pub fn wait(scene: &Scene) -> Calm {
    let _closed = scene.gate.write().unwrap_or_else(PoisonError::into_inner);
    for place in &scene.lent {
        if let Some(lent) = lock(place).take() {
            lent.check(scene);
        }
    }
    for place in &scene.maps {
        if let Some(kept) = lock(place).take() {
            kept.check(scene);
        }
    }
    let slots: Vec<Arc<Slot>> = scene.slots.iter().map(|slot| lock(slot).clone()).collect();
    for slot in &slots {
        settle(scene, slot);
    }
    for store in &scene.stores {
        move_on(store, &scene.shared);
    }
    check_sums(scene, &slots);
    let in_use = scene
        .stores
        .iter()
        .map(|store| store.memory.stats().in_use)
        .sum();
    // Everything goes: the live epochs, too.
    for slot in &slots {
        slot.pool.retire_before(slot.pool.current_epoch());
        if let Err(error) = slot.pool.advance() {
            scene.fail(format!("in a calm: {error}"));
        }
        slot.pool.retire_before(slot.pool.current_epoch());
        settle(scene, slot);
        let stats = slot.pool.stats();
        if slot.pool.bytes() != 0 {
            scene.fail(format!("nobody holds anything, yet: {stats}"));
        }
    }
    for store in &scene.stores {
        store.memory.trim(0);
        if store.memory.stats().reserved != 0 {
            scene.fail(format!("in a calm: {}", store.memory.stats()));
        }
    }
    Calm {
        in_use,
        resident: resident(),
    }
}

/// Has the pool reclaim all retired epochs, which nothing holds.
fn settle(scene: &Scene, slot: &Slot) {
    let start = Instant::now();
    loop {
        let report = slot.pool.maintain();
        let held = (report.held_by_guards.epochs, report.held_by_leases.epochs);
        if held == (0, 0) {
            break;
        }
        // A shared collector has the callbacks of all its pools in one queue, and a thread that has
        // just ended is a participant a little longer.
        if start.elapsed().as_secs() > 10 {
            return scene.fail(format!("nobody is there, yet {report}"));
        }
    }
    // Its free chunks are whole blocks now, unless live epochs have others of them.
    slot.pool.maintain();
}

/// Callbacks of pools that are gone wait until another pool moves their collector on.
pub fn move_on(store: &Store, shared: &Collector) {
    let default = crossbeam_epoch::default_collector();
    for collector in [None, Some(shared), Some(default)] {
        let helper = ArenaPool::builder().memory(store.memory.clone());
        let helper = match collector {
            Some(collector) => helper.collector(collector.clone()),
            None => helper,
        };
        if let Ok(helper) = helper.build() {
            (0..64).for_each(|_| drop(helper.maintain()));
        }
    }
}

/// The bytes in use are those of the pools. (Pools that were replaced are gone, as their leases are.)
fn check_sums(scene: &Scene, slots: &[Arc<Slot>]) {
    let bytes = |store: &Store| {
        let of = |slot: &&Arc<Slot>| {
            // Two handles of one memory have the same settings; the block sizes tell them apart.
            slot.pool.memory().block_size() == store.memory.block_size()
        };
        let pools = slots.iter().filter(of);
        pools.map(|slot| slot.pool.bytes()).sum::<usize>()
    };
    for store in &scene.stores {
        let (sum, stats) = (bytes(store), store.memory.stats());
        if sum != stats.in_use && !scene.done.load(Ordering::Relaxed) {
            scene.fail(format!("the pools have {sum} bytes of {stats}"));
        }
    }
}

/// Resident bytes of this process; zero where the system does not tell.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
