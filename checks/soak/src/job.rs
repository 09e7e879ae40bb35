//! The work of a thread between two looks at the clock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use epoch_arena::crossbeam_epoch;
use epoch_arena::{AdvanceError, ArenaGuard, Epoch, WaitError};

use crate::counts::{add, one};
use crate::key::is_whole;
use crate::put::{Under, promote, put};
use crate::rng::Rng;
use crate::scene::{Scene, Slot};
use crate::{doomed, lend, maps};

/// An epoch that a thread has left, and of which pool, if that is still there.
pub type Left = (Weak<Slot>, Epoch);

/// One operation, at random. `left` is this thread's last handle.
pub fn run(scene: &Scene, rng: &mut Rng, left: &mut Option<Left>) {
    let slot = scene.slot(rng);
    match rng.below(100) {
        0..40 => pinned(scene, &slot, rng, write),
        62 if rng.once_in(8) => pinned(scene, &slot, rng, park),
        40..=62 => pinned(scene, &slot, rng, read),
        63..70 => lend::take(scene, &slot, rng),
        70..78 => lend::visit(scene, rng),
        78..90 => *left = advance(scene, &slot, rng),
        90..92 => sealed(scene, left.take()),
        92 => drop(slot.pool.maintain()),
        93..95 => maps::visit(scene, rng),
        95 => figures(scene, &slot),
        96 => beside_a_map(scene, &slot, rng),
        97 => doomed::run(scene, rng),
        98 if rng.once_in(40) => scene.replace(rng),
        _ => refresh(scene, &slot, rng),
    }
}

/// Runs `job` under a guard of one kind or another.
fn pinned(scene: &Scene, slot: &Slot, rng: &mut Rng, job: fn(Under<'_, '_>, &mut Rng)) {
    one(&scene.counts.pins);
    let job = |guard: &ArenaGuard<'_>, rng: &mut Rng| job(Under { scene, slot, guard }, rng);
    match (&slot.collector, rng.below(4)) {
        (Some(collector), 0) => {
            let handle = collector.register();
            let theirs = handle.pin();
            match slot.pool.pin_with(&theirs) {
                Ok(guard) => job(&guard, rng),
                Err(error) => scene.fail(format!("{error}")),
            }
        }
        (_, 1) => job(&slot.pool.local().pin(), rng),
        (_, 2) => {
            // Not the order in which they nest.
            let (first, second) = (slot.pool.pin(), slot.pool.pin());
            drop(first);
            job(&second, rng);
        }
        _ => job(&slot.pool.pin(), rng),
    }
}

fn write(at: Under<'_, '_>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(60) {
        let done = match rng.once_in(16) {
            true => promote(at, rng),
            false => put(at, rng),
        };
        if done.is_err() {
            one(&at.scene.counts.refused);
            return;
        }
    }
}

/// Looks keys up; all that was found must be whole, then and at the end.
fn read(at: Under<'_, '_>, rng: &mut Rng) {
    look(at, rng, 100, Duration::ZERO);
    let Under { scene, slot, guard } = at;
    // Keys of another pool, which this one must not know.
    let other = scene.slot(rng);
    if std::ptr::eq(slot, &*other) {
        return;
    }
    for key in (0..20).filter_map(|_| other.key(rng)) {
        one(&scene.counts.foreign);
        if key.resolve(guard).is_some() {
            scene.fail(format!("{key:?} of another pool was resolved"));
        }
    }
}

/// Keeps some bytes, for a while.
fn park(at: Under<'_, '_>, rng: &mut Rng) {
    one(&at.scene.counts.parked);
    let most = if rng.once_in(10) { 800 } else { 60 };
    let time = Duration::from_millis(rng.below(most) as u64);
    look(at, rng, 50, time);
}

fn look(at: Under<'_, '_>, rng: &mut Rng, keys: usize, time: Duration) {
    let Under { scene, slot, guard } = at;
    let mut found = Vec::new();
    let mut stale = 0;
    for key in (0..keys).filter_map(|_| slot.key(rng)) {
        match key.resolve(guard) {
            Some(bytes) => found.push((key, bytes)),
            None => stale += 1,
        }
    }
    for pause in [Duration::ZERO, time] {
        std::thread::sleep(pause);
        for (key, bytes) in &found {
            if !is_whole(bytes) {
                scene.fail(format!("{key:?} is wrong under a guard"));
            }
        }
        if time.is_zero() {
            break;
        }
    }
    add(&scene.counts.reads, found.len());
    add(&scene.counts.stale, stale);
}

fn advance(scene: &Scene, slot: &Arc<Slot>, rng: &mut Rng) -> Option<Left> {
    let pool = &slot.pool;
    let from = pool.current_epoch();
    let answer = match rng.below(4) {
        0 => pool.advance_from(from),
        1 if rng.once_in(4) => {
            let before = slot.key(rng).map_or(from, |key| key.epoch());
            pool.retire_before(before);
            return None;
        }
        _ => pool.advance(),
    };
    match answer {
        Ok(now) if now > from => {
            one(&scene.counts.epochs);
            return Some((Arc::downgrade(slot), from));
        }
        Ok(now) => scene.fail(format!("{now} follows {from}")),
        Err(AdvanceError::Moved(_)) => {}
        Err(other) => scene.fail(format!("{other}")),
    }
    None
}

/// The figures of a sealed epoch are final.
fn sealed(scene: &Scene, left: Option<Left>) {
    let Some((Some(slot), epoch)) = left.map(|(slot, epoch)| (slot.upgrade(), epoch)) else {
        return;
    };
    match slot.pool.wait_sealed(epoch, Duration::from_millis(20)) {
        Ok(()) => one(&scene.counts.sealed),
        Err(WaitError::TimedOut) => return, // another thread has parked
        Err(other) => scene.fail(format!("{other}, on a thread without a guard")),
    }
    let Some(before) = slot.pool.stats_of(epoch) else {
        return;
    };
    std::thread::sleep(Duration::from_millis(1));
    let after = slot.pool.stats_of(epoch);
    if after.is_some_and(|after| after != before) || !slot.pool.is_sealed(epoch) {
        scene.fail(format!("sealed, and changed: {before}, {after:?}"));
    }
}

fn figures(scene: &Scene, slot: &Slot) {
    let stats = slot.pool.stats();
    let held = stats.held_by_guards.bytes + stats.held_by_leases.bytes;
    let memory = stats.memory;
    let adds_up = memory.in_use + memory.free <= memory.reserved && held <= stats.retired;
    if !adds_up || stats.payload > stats.live {
        scene.fail(format!("figures that do not add up: {stats}"));
    }
}

/// A map of the default collector's and a pool of it, under one guard.
fn beside_a_map(scene: &Scene, slot: &Slot, rng: &mut Rng) {
    let theirs = crossbeam_epoch::pin();
    let Ok(guard) = slot.pool.pin_with(&theirs) else {
        return; // of another collector
    };
    for _ in 0..20 {
        let at = rng.next() % 1000;
        if let Some(key) = slot.key(rng) {
            scene.map.insert(at, key);
        }
        let found = scene.map.get(&(rng.next() % 1000));
        let bytes = found.and_then(|entry| entry.value().resolve(&guard));
        if bytes.is_some_and(|bytes| !is_whole(&bytes)) {
            scene.fail("a wrong byte beside a map".into());
        }
        scene.map.remove(&(rng.next() % 1000));
    }
}

fn refresh(scene: &Scene, slot: &Slot, rng: &mut Rng) {
    let mut guard = slot.pool.pin();
    for _ in 0..5 {
        let at = Under {
            scene,
            slot,
            guard: &guard,
        };
        read(at, rng);
        if !guard.refresh() {
            scene.fail("the only guard was not refreshed".into());
        }
    }
}
