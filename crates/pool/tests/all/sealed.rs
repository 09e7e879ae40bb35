//! Sealed: no writer is left, so an epoch's figures are final.

use std::sync::mpsc::channel;

use crate::pools::{advance, maintain_until, pool, put};

#[test]
fn m11_the_current_epoch_is_never_sealed_and_the_last_one_is_when_nobody_is_pinned() {
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
fn m11_an_epoch_is_not_sealed_while_a_writer_is_pinned_in_it() {
    let pool = pool(3);
    let epoch = pool.current_epoch();
    std::thread::scope(|s| {
        // Inside, so that a test which fails here lets the writer go.
        let ((to_writer, orders), (to_us, news)) = (channel::<()>(), channel());
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
        news.recv().unwrap();
        advance(pool, 1);
        (0..10).for_each(|_| drop(pool.maintain()));
        assert!(!pool.is_sealed(epoch), "the writer may still write");
        to_writer.send(()).unwrap();
        news.recv().unwrap();
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
fn m11_once_sealed_for_ever_sealed() {
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
fn m11_bug23_figures_of_a_sealed_epoch_are_final() {
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
