//! Leases in a tokio runtime: a scan that is suspended a thousand times, and goes on on another
//! thread meanwhile, still reads the bytes that it began with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::Instant;

use epoch_arena::{ArenaHandle, ArenaPool, Lease, Memory, Resolve, Snapshot};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking, yield_now};

const KEYS: u32 = 200;

fn runtime() -> Runtime {
    let builder = Builder::new_multi_thread().worker_threads(4).build();
    builder.expect("threads can be started")
}

fn bytes(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(10 + number as usize % 90)
}

/// Resolves one key, then awaits, and so on, until it has changed threads often enough; returns how
/// often it has.
async fn scan(by: impl Resolve, keys: Vec<(u32, ArenaHandle)>) -> usize {
    const HOPS: usize = 200;
    let (start, mut hops) = (Instant::now(), 0);
    let mut thread: ThreadId = std::thread::current().id();
    for round in 0.. {
        for (number, handle) in &keys {
            // Borrowed from the lease while suspended, too.
            let found = by.get(*handle);
            // Woken from outside the runtime's workers: whichever is free first goes on with it.
            spawn_blocking(|| ()).await.expect("it does nothing");
            assert_eq!(found, Some(&bytes(*number)[..]));
            assert_eq!(by.get(*handle), found);
            let now = std::thread::current().id();
            hops += usize::from(now != thread);
            thread = now;
        }
        if round >= 2 && hops >= HOPS {
            break;
        }
        assert!(start.elapsed().as_secs() < 60, "{hops} hops: no test");
    }
    hops
}

/// Writes and advances until the end: all that was live when the scans began is long gone.
async fn write(pool: ArenaPool, done: Arc<AtomicBool>) {
    while !done.load(Ordering::Relaxed) {
        // A guard is not `Send`, so none is alive where the task may be suspended.
        put(&pool, &[0xff; 2_000]);
        pool.advance()
            .expect("it is never refused for what is held");
        yield_now().await;
    }
}

fn put(pool: &ArenaPool, bytes: &[u8]) -> ArenaHandle {
    pool.pin().alloc_copy(bytes).expect("there is memory")
}

#[test]
#[cfg_attr(miri, ignore = "Miri is too slow for a runtime")]
fn scans_in_a_tokio_runtime_hold_leases_and_snapshots_across_awaits() {
    let memory = Memory::builder().block_size(64 << 10).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    let old: Vec<_> = (0..KEYS).map(|n| (n, put(&pool, &bytes(n)))).collect();
    let epoch = pool.advance().unwrap();
    let new: Vec<_> = (KEYS..2 * KEYS)
        .map(|n| (n, put(&pool, &bytes(n))))
        .collect();
    let both = [&old[..], &new[..]].concat();
    let done = Arc::new(AtomicBool::new(false));
    let runtime = runtime();
    let lease: Lease = pool.lease(epoch).expect("it is live");
    let snapshot: Snapshot = pool.snapshot();
    let writers: Vec<JoinHandle<()>> = (0..3)
        .map(|_| runtime.spawn(write(pool.clone(), done.clone())))
        .collect();
    let scans = [
        runtime.spawn(scan(lease.clone(), new.clone())),
        runtime.spawn(scan(lease, new.clone())),
        runtime.spawn(scan(snapshot.clone(), both.clone())),
        runtime.spawn(scan(snapshot, both.clone())),
    ];
    runtime.block_on(async {
        for scan in scans {
            assert!(scan.await.expect("a scan fails by panicking") > 0);
        }
        done.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.expect("a writer fails by panicking");
        }
    });
    for (_, handle) in both {
        assert_eq!(pool.pin().get(handle), None, "for guards it is long gone");
    }
    // With the tasks the leases have gone, and with these the epochs.
    drop(runtime);
    pool.advance().unwrap();
    pool.maintain();
    let stats = pool.stats();
    assert_eq!(
        (stats.retired_epochs, stats.pinned.len()),
        (0, 0),
        "{stats}"
    );
}
