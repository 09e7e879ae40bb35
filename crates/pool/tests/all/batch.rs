//! Batches: one reservation, one epoch, and what is not used is given back.

use epoch_arena_pool::BatchFull;

use crate::pools::{adds_up, advance, pool};

#[test]
fn what_a_batch_does_not_use_is_given_back_to_the_byte() {
    let pool = pool(2);
    let guard = pool.pin();
    let (mut payload, mut count) = (0, 0);
    let first = guard.alloc_copy(b"").unwrap();
    let start = guard.get(first).unwrap().as_ptr().addr();
    for used in [0, 1, 10, 99, 100] {
        let mut batch = guard.batch(100).unwrap();
        assert_eq!(batch.remaining(), 100);
        for _ in 0..used {
            batch.push(b"x").unwrap();
        }
        assert_eq!(batch.remaining(), 100 - used);
        drop(batch);
        payload += used;
        count += used;
        let stats = pool.stats();
        assert_eq!((stats.payload, stats.allocations), (payload, count + 1));
        let next = guard.alloc_copy(b"").unwrap();
        assert_eq!(
            guard.get(next).unwrap().as_ptr().addr(),
            start + payload,
            "no gap"
        );
        count += 1;
    }
}

/// Behind something else nothing can be given back, and the rest is padding.
#[test]
fn interleaved_batches_and_allocations_are_counted_exactly() {
    let pool = pool(2);
    let guard = pool.pin();
    let mut one = guard.batch(100).unwrap();
    let alone = guard.alloc_copy(b"in between").unwrap();
    let mut two = guard.batch(50).unwrap();
    let handles = [
        one.push(b"one").unwrap(),
        two.push_concat([b"tw", b"o"]).unwrap(),
        one.push(b"").unwrap(),
        alone,
    ];
    drop(one);
    drop(two);
    let stats = pool.stats();
    assert_eq!((stats.payload, stats.allocations), (3 + 3 + 10, 4));
    let found = handles.map(|handle| guard.get(handle).unwrap().to_vec());
    assert_eq!(
        found,
        [
            b"one".to_vec(),
            b"two".to_vec(),
            vec![],
            b"in between".to_vec()
        ]
    );
    drop(guard);
    adds_up(&pool);
}

#[test]
fn a_full_batch_refuses_and_stays() {
    let pool = pool(2);
    let guard = pool.pin();
    let mut batch = guard.batch(8).unwrap();
    batch.push(b"five!").unwrap();
    for _ in 0..100 {
        assert_eq!(batch.push(b"four"), Err(BatchFull { remaining: 3 }));
        assert_eq!(
            batch.push_concat([b"fo", b"ur"]),
            Err(BatchFull { remaining: 3 })
        );
    }
    assert!(
        BatchFull { remaining: 3 }
            .to_string()
            .contains("3 bytes left")
    );
    let last = batch.push(b"3!!").unwrap();
    assert_eq!((guard.get(last), batch.remaining()), (Some(&b"3!!"[..]), 0));
    assert!(batch.push(b"").is_ok(), "nothing always fits");
    drop(batch);
    assert_eq!(pool.stats().allocations, 3);
}

/// Batches of every size: within a chunk, one of their own, several blocks.
#[test]
fn batches_of_all_sizes() {
    let pool = pool(2);
    let guard = pool.pin();
    for size in [0, 1, 4_032, 4_096, 60_000, 70_000, 200_000] {
        let mut batch = guard.batch(size).unwrap();
        let chunk = vec![7; size / 3];
        let handles: Vec<_> = (0..3).map(|_| batch.push(&chunk).unwrap()).collect();
        assert_eq!(batch.remaining(), size % 3);
        drop(batch);
        assert!(
            handles
                .iter()
                .all(|handle| guard.get(*handle) == Some(&chunk))
        );
    }
}

/// A batch that outlives its epoch's turn writes to the epoch it names.
#[test]
fn a_batch_stays_in_its_epoch() {
    let pool = pool(2);
    let guard = pool.pin();
    let mut batch = guard.batch(100).unwrap();
    let epoch = batch.epoch();
    advance(&pool, 1);
    let handle = batch.push(b"still live").unwrap();
    assert_eq!(
        (handle.epoch(), guard.get(handle)),
        (epoch, Some(&b"still live"[..]))
    );
    advance(&pool, 1);
    let stale = batch.push(b"stale at birth").unwrap();
    assert_eq!((stale.epoch(), guard.get(stale)), (epoch, None));
    drop(batch);
    assert_eq!(
        pool.stats_of(epoch).unwrap().payload,
        10 + 14,
        "held by the guard, so still there"
    );
}
