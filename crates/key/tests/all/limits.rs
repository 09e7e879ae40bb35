//! What may be a key, and what it says if not.

use epoch_arena_core::MAX_LEN;
use epoch_arena_key::{ArenaKey, KeyError, KeyWriter};
use epoch_arena_pool::{Alignment, AllocError, ArenaPool, BatchFull, Memory, PromoteError};

fn says(message: impl std::fmt::Display, words: &[&str]) {
    let message = message.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

fn pool() -> ArenaPool {
    ArenaPool::builder()
        .build()
        .expect("the defaults are valid")
}

#[test]
fn keys_of_0_to_256_bytes_are_keys_and_257_are_too_many() {
    let pool = pool();
    let guard = pool.pin();
    for len in [0, 1, 7, 8, 9, 255, 256] {
        let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let key = ArenaKey::copy_from(&bytes, &guard).unwrap();
        assert_eq!(
            (key.len(), key.is_empty(), key.epoch()),
            (len, len == 0, guard.epoch())
        );
        assert_eq!(key.resolve(&guard).unwrap().as_bytes(), bytes);
    }
    let before = pool.stats();
    for len in [257, 1_000, MAX_LEN, MAX_LEN + 1] {
        // Miri would take long over 16 MiB.
        let len = if cfg!(miri) { len.min(1_000) } else { len };
        let refused = ArenaKey::copy_from(vec![0; len], &guard).unwrap_err();
        assert_eq!(refused, KeyError::TooLong { max: 256 });
        says(refused, &["256 bytes", "KeyWriter", "max_len"]);
    }
    assert_eq!(pool.stats(), before);
}

#[test]
fn the_limit_is_the_writers() {
    let pool = pool();
    for max in [0, 1, 100, 5_000] {
        let keys = KeyWriter::new().max_len(max);
        let guard = pool.pin();
        assert!(keys.copy(vec![1; max], &guard).is_ok());
        let refused = keys.copy(vec![1; max + 1], &guard).unwrap_err();
        assert_eq!(refused, KeyError::TooLong { max: max as u32 });
        // What is no key is not limited by it.
        assert!(guard.alloc_copy(&vec![1; max + 1]).is_ok());
    }
}

#[test]
fn a_key_in_a_batch_is_as_any_other_and_has_the_writers_limit() {
    let pool = pool();
    for max in [0, 1, 8, 256] {
        let keys = KeyWriter::new().max_len(max);
        let guard = pool.pin();
        let mut batch = guard.batch(4 * max).unwrap();
        for len in [0, max / 2, max] {
            let bytes: Vec<u8> = (0..len).map(|at| 0xf0 ^ at as u8).collect();
            let key = keys.push(&bytes, &mut batch).unwrap();
            assert_eq!((key.len(), key.epoch()), (len, batch.epoch()));
            // As if it were made of the handle; the prefix, too, by which it is compared.
            let again = ArenaKey::from_handle(key.handle(), &guard).unwrap();
            let (key, again) = (key.resolve(&guard).unwrap(), again.resolve(&guard).unwrap());
            assert_eq!((key, key.as_bytes()), (again, &bytes[..]));
        }
        let (left, before) = (batch.remaining(), pool.stats());
        for len in [max + 1, max + 100, 10_000] {
            let refused = keys.push(vec![1; len], &mut batch).unwrap_err();
            assert_eq!(refused, KeyError::TooLong { max: max as u32 });
        }
        assert_eq!((batch.remaining(), pool.stats()), (left, before));
    }
}

#[test]
fn a_key_that_a_full_batch_refuses_changes_nothing() {
    let pool = pool();
    let guard = pool.pin();
    let mut batch = guard.batch(10).unwrap();
    ArenaKey::push_into(b"seven b", &mut batch).unwrap();
    for _ in 0..100 {
        let refused = ArenaKey::push_into(b"four", &mut batch).unwrap_err();
        assert_eq!(refused, KeyError::BatchFull(BatchFull { remaining: 3 }));
        says(refused, &["3 bytes left"]);
    }
    let too_long = ArenaKey::push_into([0; 257], &mut batch).unwrap_err();
    assert_eq!(too_long, KeyError::TooLong { max: 256 }, "in any batch");
    ArenaKey::push_into(b"3!!", &mut batch).unwrap();
    assert_eq!(batch.remaining(), 0);
    drop(batch);
    assert_eq!((pool.stats().allocations, pool.stats().payload), (2, 10));
}

#[test]
fn keys_are_packed_in_a_batch_whatever_their_alignment() {
    let writer = KeyWriter::new().alignment(Alignment::new(64).unwrap());
    let pool = pool();
    let guard = pool.pin();
    let mut batch = guard.batch(20).unwrap();
    let keys = [b"12345", b"1234567".as_slice(), b"12345678"]
        .map(|bytes| writer.push(bytes, &mut batch).unwrap());
    let ends = keys.map(|key| key.resolve(&guard).unwrap().as_bytes().as_ptr_range());
    assert!(ends.windows(2).all(|pair| pair[0].end == pair[1].start));
}

/// A key goes into the epoch that its batch names, live or not.
#[test]
fn a_key_stays_in_the_epoch_of_its_batch() {
    let pool = pool();
    let guard = pool.pin();
    let mut batch = guard.batch(20).unwrap();
    let (epoch, lease) = (batch.epoch(), pool.lease(batch.epoch()).unwrap());
    (0..2).for_each(|_| drop(pool.advance().unwrap().to_string()));
    let key = ArenaKey::push_into(b"stale at birth", &mut batch).unwrap();
    assert_eq!((key.epoch(), key.resolve(&guard).is_none()), (epoch, true));
    assert_eq!(key.resolve(&lease).unwrap().as_bytes(), b"stale at birth");
}

#[test]
#[cfg_attr(miri, ignore = "16 MiB")]
fn a_key_may_have_16_mebibytes_less_one() {
    let pool = pool();
    let guard = pool.pin();
    let bytes = vec![7; MAX_LEN + 1];
    // A limit beyond what an allocation may have is that.
    let keys = KeyWriter::new().max_len(usize::MAX);
    assert_eq!(keys, KeyWriter::new().max_len(MAX_LEN));
    let key = keys.copy(&bytes[1..], &guard).unwrap();
    assert_eq!(key.resolve(&guard).unwrap().as_bytes(), &bytes[1..]);
    let refused = keys.copy(&bytes, &guard).unwrap_err();
    assert_eq!(
        refused,
        KeyError::TooLong {
            max: MAX_LEN as u32
        }
    );
}

#[test]
fn keys_are_packed_by_default_and_aligned_on_demand() {
    for shift in [0, 4, 6] {
        let align = Alignment::new(1 << shift).unwrap();
        let (pool, writer) = (pool(), KeyWriter::new().alignment(align));
        let guard = pool.pin();
        let keys: Vec<_> = (1..20)
            .map(|len| writer.copy(vec![1; len], &guard).unwrap())
            .collect();
        for key in &keys {
            let again = writer.promote(*key, &guard).unwrap();
            for key in [key, &again] {
                let bytes = key.resolve(&guard).unwrap().as_bytes();
                assert_eq!(bytes, vec![1; key.len()]);
                assert_eq!(bytes.as_ptr().addr() % align.get(), 0);
            }
        }
        let ends = keys
            .iter()
            .map(|key| key.resolve(&guard).unwrap().as_bytes().as_ptr_range());
        let ends: Vec<_> = ends.collect();
        let packed = ends.windows(2).all(|pair| pair[0].end == pair[1].start);
        assert_eq!(packed, shift == 0);
    }
}

#[test]
fn a_stale_or_foreign_key_resolves_to_nothing() {
    let (pool, other) = (pool(), pool());
    let key = ArenaKey::copy_from(b"key", &pool.pin()).unwrap();
    assert!(key.resolve(&other.pin()).is_none());
    assert!(ArenaKey::from_handle(key.handle(), &other.pin()).is_none());
    assert_eq!(key.promote(&other.pin()).unwrap_err(), PromoteError::Stale);
    let (lease, snapshot) = (pool.lease(key.epoch()).unwrap(), pool.snapshot());
    (0..2).for_each(|_| drop(pool.advance().unwrap().to_string()));
    assert!(key.resolve(&pool.pin()).is_none());
    assert!(ArenaKey::from_handle(key.handle(), &pool.pin()).is_none());
    let stale = key.promote(&pool.pin()).unwrap_err();
    assert_eq!(stale, PromoteError::Stale);
    says(stale, &["no longer live", "lease"]);
    assert_eq!(key.resolve(&lease).unwrap().as_bytes(), b"key");
    assert_eq!(key.resolve(&snapshot).unwrap().as_bytes(), b"key");
    let future = ArenaKey::copy_from(b"future", &pool.pin()).unwrap();
    assert!(future.resolve(&lease).is_none() && future.resolve(&snapshot).is_none());
}

#[test]
fn promotion_keeps_a_key_over_many_epochs() {
    let pool = pool();
    let mut key = ArenaKey::copy_from(b"a long enough survivor", &pool.pin()).unwrap();
    for _ in 0..20 {
        pool.advance().unwrap();
        key = key.promote(&pool.pin()).unwrap();
        assert_eq!(key.epoch(), pool.current_epoch());
    }
    let guard = pool.pin();
    assert_eq!(
        key.resolve(&guard).unwrap().as_bytes(),
        b"a long enough survivor"
    );
}

/// Keys over a budget: the reason comes through, and nothing is changed.
#[test]
fn a_key_that_finds_no_memory_says_why() {
    let memory = Memory::builder()
        .block_size(4096)
        .budget(4096)
        .build()
        .unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    let guard = pool.pin();
    let refused = (0..1_000)
        .find_map(|_| ArenaKey::copy_from([1; 100], &guard).err())
        .unwrap();
    assert!(matches!(refused, KeyError::Alloc(AllocError::Memory(_))));
    says(refused, &["budget", "raise"]);
    let over = refused.over_budget().unwrap();
    assert_eq!((over.used, over.budget, over.reclaimable), (4096, 4096, 0));
    assert_eq!(KeyError::Alloc(AllocError::TooLong).over_budget(), None);
    let before = pool.stats();
    assert!(ArenaKey::copy_from([1; 100], &guard).is_err());
    assert_eq!(pool.stats(), before);
}
