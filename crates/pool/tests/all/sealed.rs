//! Sealed: no writer is left, so an epoch's figures are final.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use epoch_arena_pool::WaitError;
use epoch_arena_pool::crossbeam_epoch::Collector;

use epoch_arena_pool::{ArenaPool, ArenaStats, Epoch};

use crate::ends::{Finish, until};
use crate::pools::{advance, builder, maintain_until, pool, put};
use crate::rng::Rng;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_current_epoch_is_never_sealed_and_the_last_one_is_when_no_thread_is_pinned() {
    let pool = pool(3);
    for _ in 0..10 {
        let epoch = pool.current_epoch();
        put(&pool, b"key");
        assert!(!pool.is_sealed(epoch));
        advance(&pool, 1);
        pool.maintain();
        assert!(pool.is_sealed(epoch) && !pool.is_sealed(pool.current_epoch()));
    }
}

#[test]
fn an_epoch_is_not_sealed_while_a_writer_is_pinned_in_it() {
    let pool = pool(3);
    let epoch = pool.current_epoch();
    std::thread::scope(|s| {
        // Inside, so that a test which fails here lets the writer go.
        let ((to_writer, orders), (to_us, reports)) = (channel::<()>(), channel());
        let pool = &pool;
        s.spawn(move || {
            let guard = pool.pin();
            // A batch keeps its epoch, whatever happens meanwhile.
            let mut batch = guard.batch(1_000).unwrap();
            to_us.send(()).unwrap();
            orders.recv().unwrap();
            assert_eq!(batch.epoch(), epoch);
            for _ in 0..10 {
                assert_eq!(batch.push(b"late").unwrap().epoch(), epoch);
            }
            drop(batch);
            drop(guard);
            to_us.send(()).unwrap();
            orders.recv().unwrap();
        });
        reports.recv().unwrap();
        advance(pool, 1);
        (0..10).for_each(|_| drop(pool.maintain()));
        assert!(!pool.is_sealed(epoch), "the writer may still write");
        to_writer.send(()).unwrap();
        reports.recv().unwrap();
        pool.maintain();
        assert!(pool.is_sealed(epoch));
        let stats = pool.stats_of(epoch).unwrap();
        assert_eq!(
            (stats.allocations, stats.payload),
            (10, 40),
            "final, the late ones included"
        );
        to_writer.send(()).unwrap();
    });
}

#[test]
fn once_sealed_for_ever_sealed() {
    let pool = pool(2);
    let mut past = Vec::new();
    for _ in 0..if cfg!(miri) { 8 } else { 200 } {
        past.push(pool.current_epoch());
        advance(&pool, 1);
        pool.maintain();
        assert!(past.iter().all(|epoch| pool.is_sealed(*epoch)));
        assert!(!pool.is_sealed(pool.current_epoch()));
    }
}

/// Figures of a sealed epoch, taken twice with much in between, are the same.
#[test]
fn figures_of_a_sealed_epoch_are_final() {
    const THREADS: usize = if cfg!(miri) { 2 } else { 4 };
    let pool = pool(2);
    for _ in 0..if cfg!(miri) { 2 } else { 50 } {
        let epoch = pool.current_epoch();
        let in_epoch: usize = std::thread::scope(|s| {
            let writers: Vec<_> = (0..THREADS)
                .map(|t| {
                    let pool = &pool;
                    s.spawn(move || {
                        let keys = (0..100).map(|i| put(pool, &vec![1; i + t]));
                        keys.filter(|h| h.epoch() == epoch)
                            .map(|h| h.len())
                            .sum::<usize>()
                    })
                })
                .collect();
            s.spawn(|| advance(&pool, 1));
            writers.into_iter().map(|w| w.join().unwrap()).sum()
        });
        maintain_until(&pool, |pool| pool.is_sealed(epoch));
        let stats = pool.stats_of(epoch).unwrap();
        assert_eq!(stats.payload, in_epoch);
        put(&pool, &[1; 1_000]);
        assert_eq!(pool.stats_of(epoch), Some(stats));
        advance(&pool, 1);
    }
}

/// One waits for the writers of an epoch, and its figures are final then.
#[test]
fn waiting_ends_when_the_last_writer_is_gone() {
    let pool = pool(3);
    let epoch = pool.current_epoch();
    std::thread::scope(|s| {
        let pool = &pool;
        let (to_us, reports) = channel();
        let writer = s.spawn(move || {
            let guard = pool.pin();
            let mut batch = guard.batch(1_000).unwrap();
            to_us.send(()).unwrap();
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(1));
                batch.push(b"written late").unwrap();
            }
        });
        reports.recv().unwrap();
        advance(pool, 1);
        assert_eq!(
            pool.wait_sealed(epoch, Duration::ZERO),
            Err(WaitError::TimedOut)
        );
        pool.wait_sealed(epoch, LONG).unwrap();
        let stats = pool.stats_of(epoch).unwrap();
        assert_eq!(stats.allocations, 20, "all of them, and no more to come");
        writer.join().unwrap();
        assert_eq!(pool.stats_of(epoch), Some(stats));
    });
}

#[test]
fn waiting_for_the_current_epoch_waits_for_an_advance() {
    let pool = pool(3);
    let epoch = pool.current_epoch();
    std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(Duration::from_millis(5));
            advance(&pool, 1);
        });
        pool.wait_sealed(epoch, LONG).unwrap();
        assert!(pool.current_epoch() > epoch);
    });
}

#[test]
fn waiting_in_vain_ends_in_time_and_never_waits_for_itself() {
    let pool = pool(3);
    let epoch = pool.current_epoch();
    let start = Instant::now();
    let nap = Duration::from_millis(20);
    assert_eq!(pool.wait_sealed(epoch, nap), Err(WaitError::TimedOut));
    assert!(start.elapsed() >= nap);
    let guard = pool.pin();
    advance(&pool, 1);
    assert_eq!(pool.wait_sealed(epoch, LONG), Err(WaitError::Pinned));
    drop(guard);
    pool.wait_sealed(epoch, LONG).unwrap();
    // What is sealed is so for a pinned thread, too; and for ever.
    let _guard = pool.pin();
    advance(&pool, 5);
    assert_eq!(pool.wait_sealed(epoch, Duration::ZERO), Ok(()));
}

/// What threads have written, by epoch: `(allocations, bytes)`.
type Written = BTreeMap<Epoch, (usize, usize)>;

/// Puts, and batches that are begun in one epoch, filled in later ones, and dropped at the very end
/// of a guard, some of them not filled at all: their bytes go back late.
fn write_late(pool: &ArenaPool, seed: u64, done: &AtomicBool) -> Written {
    let (mut rng, mut written) = (Rng::new(seed), Written::new());
    while !done.load(Ordering::Relaxed) {
        let guard = pool.pin();
        let mut batches: Vec<_> = (0..3)
            .map(|_| guard.batch(rng.below(2_000)).unwrap())
            .collect();
        for _ in 0..rng.below(20) {
            let bytes = vec![1; rng.below(60)];
            let batch = &mut batches[rng.below(3)];
            let handle = match batch.push(&bytes) {
                Ok(handle) => handle,
                Err(_) => guard.alloc_copy(&bytes).unwrap(),
            };
            let (count, sum) = written.entry(handle.epoch()).or_default();
            *count += 1;
            *sum += handle.len();
            if rng.below(8) == 0 {
                std::thread::yield_now();
            }
        }
        // Last taken, first dropped: its room may be given back; the others' is wasted.
        while batches.pop().is_some() {}
    }
    written
}

/// Looks at every epoch again and again, from the moment on at which it is sealed.
fn watch(pool: &ArenaPool, done: &AtomicBool) -> BTreeMap<Epoch, ArenaStats> {
    let mut sealed: BTreeMap<Epoch, ArenaStats> = BTreeMap::new();
    loop {
        let last = done.load(Ordering::Relaxed);
        for epoch in pool.snapshot().epochs() {
            if pool.is_sealed(epoch) {
                let stats = pool.stats_of(epoch).expect("every epoch is retained");
                let first = sealed.entry(epoch).or_insert(stats);
                assert_eq!(*first, stats, "final, and then not");
            } else {
                assert!(!sealed.contains_key(&epoch), "sealed, and then not");
            }
        }
        if last {
            return sealed;
        }
    }
}

/// Threads that write, with batches dropped late, race with advances and with two that watch: what
/// is seen of an epoch once it is sealed never changes, and is all that was written to it.
#[test]
fn figures_never_change_once_sealed_whatever_races() {
    const EPOCHS: usize = if cfg!(miri) { 5 } else { 300 };
    let retained = EPOCHS as u32 + 2;
    let pool = builder(1).retained_epochs(retained).build().unwrap();
    let first = pool.current_epoch();
    let [advanced, done] = [(); 2].map(|()| AtomicBool::new(false));
    let (pool, advanced, done) = (&pool, &advanced, &done);
    let (written, watched) = std::thread::scope(|s| {
        let (end_of_writers, end_of_watchers) = (Finish(advanced), Finish(done));
        let watchers = [(); 2].map(|()| s.spawn(|| watch(pool, done)));
        let writers = [1, 2, 3].map(|seed| s.spawn(move || write_late(pool, seed, advanced)));
        // Something is in the epoch, be it a batch in which nothing is yet, unless all have failed.
        let is_empty = || {
            let stats = pool.stats_of(pool.current_epoch());
            stats.is_none_or(|stats| stats.allocations == 0)
        };
        for _ in 0..EPOCHS {
            until(|| !is_empty() || writers.iter().all(|writer| writer.is_finished()));
            advance(pool, 1);
        }
        drop(end_of_writers);
        let written = writers.map(|writer| writer.join().unwrap());
        maintain_until(pool, |pool| {
            let mut epochs = pool.snapshot().epochs().collect::<Vec<_>>();
            epochs.pop();
            epochs.iter().all(|epoch| pool.is_sealed(*epoch))
        });
        drop(end_of_watchers);
        (written, watchers.map(|watcher| watcher.join().unwrap()))
    });
    let mut all = Written::new();
    for (epoch, (count, bytes)) in written.into_iter().flatten() {
        let sum = all.entry(epoch).or_default();
        *sum = (sum.0 + count, sum.1 + bytes);
    }
    assert!(all.len() > EPOCHS / 2, "{} of them: no test", all.len());
    for sealed in watched {
        assert_eq!(sealed.len(), EPOCHS, "every epoch but the current one");
        assert_eq!(sealed.keys().next(), Some(&first));
        for (epoch, stats) in sealed {
            let (count, bytes) = all.get(&epoch).copied().unwrap_or_default();
            assert_eq!(
                (stats.allocations, stats.payload),
                (count, bytes),
                "{epoch}"
            );
        }
    }
}

/// However many epochs were left under a guard: one flush runs eight of crossbeam-epoch's bags, and each epoch has one.
#[test]
fn one_call_of_maintain_seals_all_that_was_left() {
    let pool = pool(200);
    let guard = pool.pin();
    let epochs = (0..100).map(|_| {
        let epoch = pool.current_epoch();
        advance(&pool, 1);
        epoch
    });
    let epochs = epochs.collect::<Vec<_>>();
    assert!(!epochs.iter().any(|epoch| pool.is_sealed(*epoch)));
    drop(guard);
    pool.maintain();
    let sealed = epochs.iter().filter(|epoch| pool.is_sealed(**epoch));
    assert_eq!(sealed.count(), epochs.len());
}

/// A flush leaves a bag of what crossbeam-epoch's queue throws away. Behind thousands of closures there are hundreds of
/// those, and what is retired then is behind them.
#[test]
fn one_call_of_maintain_reclaims_what_is_behind_a_long_queue() {
    let epochs = if cfg!(miri) { 1_000 } else { 16_000 };
    let collector = Collector::new();
    let pool = builder(1).collector(collector.clone()).build().unwrap();
    let guard = pool.pin();
    advance(&pool, epochs);
    let (participant, last) = (collector.register(), Arc::new(()));
    let closure = last.clone();
    participant.pin().defer(move || drop(closure));
    drop(guard);
    while Arc::strong_count(&last) > 1 {
        participant.pin().flush();
    }
    // Of other pools, with nothing else to wait for: an epoch that is retired, and one that is left.
    for retained in [1, 2] {
        let next = builder(retained).collector(collector.clone());
        let next = next.build().unwrap();
        let epoch = put(&next, b"key").epoch();
        advance(&next, 1);
        next.maintain();
        assert!(next.is_sealed(epoch));
        assert_eq!(next.stats().retired_epochs, 0);
    }
}
