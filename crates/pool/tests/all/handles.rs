//! A stale, foreign or future handle gives `None`, to guards, leases and snapshots.

use epoch_arena_pool::{ArenaHandle, ArenaPool, Lease, PromoteError, Resolve, Snapshot};

use crate::pools::{advance, find, pool, put};

/// Nothing of `pool` resolves `handle`: guard, local guard, leases and snapshot of all that lives.
fn nothing_resolves(pool: &ArenaPool, handle: ArenaHandle) {
    let guard = pool.pin();
    assert_eq!(guard.get(handle), None);
    assert_eq!(Resolve::get(&guard, handle), None);
    assert_eq!(guard.promote(handle), Err(PromoteError::Stale));
    assert_eq!(pool.local().pin().get(handle), None);
    let snapshot: Snapshot = pool.snapshot();
    assert_eq!(snapshot.get(handle), None);
    for epoch in snapshot.epochs() {
        let lease: Lease = pool.lease(epoch).unwrap();
        assert_eq!(lease.get(handle), None);
    }
}

/// The ring of slots goes round many times, and no old handle comes to life.
#[test]
fn a_stale_handle_stays_stale_when_slots_wrap() {
    // Four slots, so that every fourth epoch has the slot of the first.
    let pool = pool(1);
    let mut old = Vec::new();
    for epoch in 0..if cfg!(miri) { 6 } else { 300_u32 } {
        let bytes = epoch.to_be_bytes();
        let handle = put(&pool, &bytes);
        assert_eq!(find(&pool, handle), Some(bytes.to_vec()));
        let guard = pool.pin();
        assert!(old.iter().all(|handle| guard.get(*handle).is_none()));
        drop(guard);
        old.push(handle);
        advance(&pool, 1);
    }
    old.iter()
        .take(10)
        .for_each(|handle| nothing_resolves(&pool, *handle));
}

#[test]
fn a_handle_resolves_exactly_as_long_as_its_epoch_is_live() {
    for retained in 1..=5 {
        let pool = pool(retained);
        let handle = put(&pool, b"key");
        for age in 0..retained {
            assert!(pool.is_live(handle.epoch()));
            assert_eq!(
                find(&pool, handle),
                Some(b"key".to_vec()),
                "age {age} of {retained}"
            );
            advance(&pool, 1);
        }
        assert!(!pool.is_live(handle.epoch()));
        nothing_resolves(&pool, handle);
    }
}

/// What is made later than a lease or snapshot is not theirs.
#[test]
fn a_future_handle_is_none() {
    let pool = pool(4);
    let now = put(&pool, b"now");
    let (lease, snapshot) = (pool.lease(now.epoch()).unwrap(), pool.snapshot());
    advance(&pool, 1);
    let future = put(&pool, b"future");
    assert_eq!((lease.get(future), snapshot.get(future)), (None, None));
    assert_eq!(
        (lease.get(now), snapshot.get(now)),
        (Some(&b"now"[..]), Some(&b"now"[..]))
    );
    // A later pool's epochs lie in this one's future.
    let later = crate::pools::pool(4);
    let future = put(&later, b"later");
    assert!(future.epoch() > pool.current_epoch());
    nothing_resolves(&pool, future);
    assert!(!pool.is_live(future.epoch()) && pool.lease(future.epoch()).is_none());
    assert!(!pool.is_sealed(future.epoch()) && pool.stats_of(future.epoch()).is_none());
}

/// Pools that look alike, with keys at the same place of the same slot.
#[test]
fn a_handle_of_another_pool_is_none() {
    let (one, two) = (pool(2), pool(2));
    let (first, second) = (put(&one, b"one"), put(&two, b"two"));
    nothing_resolves(&one, second);
    nothing_resolves(&two, first);
    assert_eq!(find(&one, first), Some(b"one".to_vec()));
    assert_eq!(find(&two, second), Some(b"two".to_vec()));
}

/// A pool over the very memory that a dropped pool had.
#[test]
fn a_handle_of_a_dropped_pool_is_none_in_the_next_on_the_same_memory() {
    let memory = crate::pools::memory();
    let mut dead = Vec::new();
    for round in 0..20_u8 {
        let pool = ArenaPool::builder().memory(memory.clone()).build().unwrap();
        let handle = put(&pool, &[round; 8]);
        dead.iter()
            .for_each(|handle| nothing_resolves(&pool, *handle));
        dead.push(handle);
        drop(pool);
        assert_eq!(
            memory.stats().reserved,
            memory.block_size(),
            "the same block again"
        );
    }
}

/// The slot in a foreign handle may be beyond what this pool has.
#[test]
fn a_handle_whose_slot_a_small_pool_does_not_have_is_none() {
    let small = pool(1);
    let large = pool(300);
    let mine = put(&small, b"mine");
    for _ in 0..if cfg!(miri) { 10 } else { 290 } {
        let theirs = put(&large, b"theirs");
        assert_eq!(small.pin().get(theirs), None);
        advance(&large, 1);
    }
    assert_eq!(find(&small, mine), Some(b"mine".to_vec()));
    nothing_resolves(&large, mine);
}

#[test]
fn a_handle_knows_its_epoch_and_length_and_shows_no_bytes() {
    let pool = pool(2);
    for len in [0, 1, 255, 256, 4000, 100_000] {
        let handle = put(&pool, &vec![b'k'; len]);
        assert_eq!((handle.len(), handle.is_empty()), (len, len == 0));
        assert_eq!(handle.epoch(), pool.current_epoch());
        let shown = format!("{handle:?}");
        assert!(
            shown.contains(&format!("len: {len}")) && !shown.contains("kkk"),
            "{shown}"
        );
    }
    let (a, b) = (put(&pool, b"same"), put(&pool, b"same"));
    assert_ne!(a, b, "a handle is a place");
    // Of the places of empty values nothing is promised, but that they are found.
    let (a, b) = (put(&pool, b""), put(&pool, b""));
    assert_eq!(
        (find(&pool, a), find(&pool, b)),
        (Some(vec![]), Some(vec![]))
    );
}

/// Handles go anywhere: here through threads that know no pool.
#[test]
fn handles_travel_between_threads() {
    let pool = pool(2);
    let handle = std::thread::scope(|s| s.spawn(|| put(&pool, b"from afar")).join().unwrap());
    let handle = std::thread::spawn(move || handle).join().unwrap();
    assert_eq!(find(&pool, handle), Some(b"from afar".to_vec()));
}

/// What `by` gives for many handles at once is what it gives for each.
fn many_are_as_each(by: &impl Resolve, handles: &[ArenaHandle]) {
    let expected: Vec<_> = handles.iter().map(|handle| by.get(*handle)).collect();
    for count in 0..=handles.len() {
        let found: Vec<_> = by.get_each(&handles[..count]).collect();
        assert_eq!(found, expected[..count]);
    }
    for (eight, expected) in handles.chunks_exact(8).zip(expected.chunks(8)) {
        let eight: &[_; 8] = eight.try_into().unwrap();
        assert_eq!(by.get_many(eight), expected);
    }
    assert_eq!(by.get_many::<0>(&[]), [None::<&[u8]>; 0]);
}

/// Live, stale, foreign and later handles in turn, and empty ones, to all that resolves.
#[test]
fn many_handles_resolve_as_each_of_them() {
    let (pool, other) = (pool(2), pool(2));
    let lease = pool.lease(pool.current_epoch()).unwrap();
    let of_each = |name: &[u8]| [put(&pool, name), put(&other, name), put(&pool, b"")];
    let mut handles: Vec<ArenaHandle> = Vec::new();
    for epoch in 0..3 {
        handles.extend((0..4_u8).flat_map(|n| of_each(&[epoch, n, 1])));
        advance(&pool, 1);
    }
    let snapshot = pool.snapshot();
    handles.extend((4..7_u8).flat_map(|n| of_each(&[3, n])));
    handles.sort_by_key(|handle| (handle.len() * 7_919) % 5);
    let guard = pool.pin();
    many_are_as_each(&guard, &handles);
    many_are_as_each(&lease, &handles);
    many_are_as_each(&snapshot, &handles);
    let live = guard.get_each(handles.iter().copied()).flatten().count();
    assert_eq!((live, handles.len()), (14, 45), "of two epochs of four");
}
