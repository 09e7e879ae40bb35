//! What `Debug` shows: which pool and epoch, and how much; the bytes of `OwnedBytes` alone.

use epoch_arena_pool::{Alignment, RawError, WaitError};

use crate::pools::{pool, put};

#[test]
fn debug_shows_epochs_and_figures() {
    let pool = pool(2);
    let epoch = pool.current_epoch();
    let shown = format!("{pool:?}");
    assert!(shown.starts_with("ArenaPool { id: "), "{shown}");
    assert!(
        shown.ends_with(&format!("current: {epoch:?}, retained_epochs: 2, .. }}")),
        "{shown}"
    );
    let local = pool.local();
    let by_local = |pinned| format!("LocalPool {{ pool: {shown}, pinned: {pinned}, .. }}");
    assert_eq!(format!("{local:?}"), by_local(false));
    let guard = local.pin();
    assert_eq!(format!("{local:?}"), by_local(true));
    assert_eq!(
        format!("{guard:?}"),
        format!("ArenaGuard {{ epoch: {epoch:?}, .. }}")
    );
    let mut batch = guard.batch(10).unwrap();
    batch.push(b"key").unwrap();
    assert_eq!(
        format!("{batch:?}"),
        format!("Batch {{ epoch: {epoch:?}, pushed: 1, remaining: 7 }}")
    );
    drop(batch);
    let room = guard.alloc_uninit(5, Alignment::BYTE).unwrap();
    assert_eq!(format!("{room:?}"), "UninitBytes { len: 5, .. }");
    let mut value = guard.writer().unwrap();
    value.push(b"key").unwrap();
    assert_eq!(
        format!("{value:?}"),
        format!("BytesWriter {{ epoch: {epoch:?}, len: 3, .. }}")
    );
}

#[test]
fn debug_of_what_holds_an_epoch_names_it() {
    let (_first, pool) = (pool(1), pool(2));
    let handle = put(&pool, b"key\0");
    let epoch = handle.epoch();
    let lease = pool.lease(epoch).unwrap();
    let of_pool = format!("{pool:?}");
    let id = of_pool.trim_start_matches("ArenaPool { id: ");
    let id = id.split(',').next().unwrap();
    assert_eq!(
        format!("{lease:?}"),
        format!("Lease {{ epoch: {epoch:?}, pool: {id}, .. }}")
    );
    let snapshot = format!("Snapshot {{ epochs: [{epoch:?}], .. }}");
    assert_eq!(format!("{:?}", pool.snapshot()), snapshot);
    let owned = lease.owned(handle).unwrap();
    assert_eq!(format!("{owned:?}"), r#"b"key\x00""#);
}

/// One sentence, and what to do.
#[test]
fn errors_say_what_to_do() {
    let now = pool(1).current_epoch();
    for (shown, to_do) in [
        (
            WaitError::TimedOut.to_string(),
            "ArenaPool::maintain says which",
        ),
        (WaitError::Pinned.to_string(), "drop it first"),
        (
            RawError::Frozen { now }.to_string(),
            "write to what is in the current epoch",
        ),
    ] {
        assert!(shown.contains(to_do), "{shown}");
    }
}
