//! `Resolve`: code that takes whatever resolves handles.

use epoch_arena_pool::{ArenaHandle, Resolve};

use crate::pools::{advance, pool, put};

fn found(by: &impl Resolve, handle: ArenaHandle) -> Option<&[u8]> {
    by.get(handle)
}

/// Guards see what is live; a lease and a snapshot see what they hold, also when it is retired.
#[test]
fn whatever_resolves_finds_its_own_epochs_and_no_others() {
    let pool = pool(1);
    let (old, key) = (put(&pool, b"old"), put(&pool, b"key"));
    let lease = pool.lease(old.epoch()).unwrap();
    let snapshot = pool.snapshot();
    advance(&pool, 1);
    let new = put(&pool, b"new");
    let guard = pool.pin();
    assert_eq!(found(&guard, old), None);
    assert_eq!(found(&guard, new), Some(&b"new"[..]));
    for (handle, bytes) in [(old, Some(&b"old"[..])), (key, Some(b"key")), (new, None)] {
        assert_eq!(found(&lease, handle), bytes);
        assert_eq!(found(&snapshot, handle), bytes);
    }
}
