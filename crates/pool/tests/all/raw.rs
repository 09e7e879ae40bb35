//! `alloc_raw`: bytes in the epoch that was named, or none.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use epoch_arena_pool::{Alignment, AllocError, ArenaPool, RawError};

const MANY: usize = if cfg!(miri) { 20 } else { 2_000 };

#[test]
fn raw_bytes_are_aligned_disjoint_and_outlive_the_pin_under_a_lease() {
    let pool = ArenaPool::builder().build().unwrap();
    let epoch = pool.current_epoch();
    let lease = pool.lease(epoch).unwrap();
    let mut words = Vec::new();
    for align in [
        Alignment::BYTE,
        Alignment::WORD,
        Alignment::VECTOR,
        Alignment::LINE,
    ] {
        for len in [8, 24, 64] {
            let first = pool.pin().alloc_raw(epoch, len, align).unwrap();
            assert_eq!(first.addr().get() % align.get(), 0);
            if align != Alignment::BYTE {
                let word = first.cast::<AtomicU64>();
                // SAFETY: at least eight bytes, aligned, held by the lease, this test's alone.
                unsafe { word.write(AtomicU64::new(words.len() as u64)) };
                words.push(word);
            }
        }
    }
    pool.advance().unwrap();
    pool.advance().unwrap();
    pool.maintain();
    for (index, word) in words.iter().enumerate() {
        // SAFETY: written above; the lease holds them still.
        let word = unsafe { word.as_ref() };
        assert_eq!(word.load(Ordering::Relaxed), index as u64);
    }
    drop(lease);
}

#[test]
fn raw_bytes_may_have_no_length_and_are_refused_when_too_long() {
    let pool = ArenaPool::builder().build().unwrap();
    let (guard, epoch) = (pool.pin(), pool.current_epoch());
    assert!(guard.alloc_raw(epoch, 0, Alignment::LINE).is_ok());
    for len in [16 << 20, usize::MAX] {
        let refused = guard.alloc_raw(epoch, len, Alignment::WORD);
        assert_eq!(refused, Err(RawError::Alloc(AllocError::TooLong)));
    }
}

#[test]
fn raw_bytes_of_another_pools_epoch_are_refused() {
    let (pool, other) = (
        ArenaPool::builder().build().unwrap(),
        ArenaPool::builder().build().unwrap(),
    );
    let refused = pool
        .pin()
        .alloc_raw(other.current_epoch(), 8, Alignment::WORD);
    assert_eq!(
        refused,
        Err(RawError::Frozen {
            now: pool.current_epoch()
        })
    );
    assert_eq!(pool.bytes(), 0, "nothing was allocated");
}

/// Bytes are in the epoch that was named or they are refused, while another thread
/// advances.
#[test]
fn raw_bytes_are_never_in_another_epoch() {
    let pool = ArenaPool::builder().build().unwrap();
    let first = pool.current_epoch();
    let lease = pool.lease(first).unwrap();
    let start = Barrier::new(2);
    let given = std::thread::scope(|s| {
        let writer = s.spawn(|| {
            start.wait();
            let mut given = 0;
            for _ in 0..MANY {
                match pool.pin().alloc_raw(first, 16, Alignment::WORD) {
                    Ok(_) => given += 1,
                    Err(RawError::Frozen { now }) => {
                        assert!(now > first);
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            given
        });
        start.wait();
        pool.advance().unwrap();
        writer.join().unwrap()
    });
    pool.wait_sealed(first, std::time::Duration::from_secs(60))
        .unwrap();
    let stats = pool.stats_of(first).unwrap();
    assert_eq!(stats.allocations, given);
    drop(lease);
}
