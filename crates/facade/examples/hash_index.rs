//! A concurrent hash index, whose buckets and records live in an epoch. Threads insert and look up
//! together, without a lock; all of it goes in constant time. The guide's page "build an index" has
//! the rules. `cargo run --example hash_index`

use std::hash::{BuildHasher, RandomState};
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, Ordering};

use epoch_arena::{Alignment, ArenaHandle, ArenaPool, Lease, RawError};

/// A key with its value. It never changes once a bucket leads to it.
#[derive(Clone, Copy)]
struct Record {
    /// The record that was the first of the bucket before.
    next: *mut Record,
    key: ArenaHandle,
    value: ArenaHandle,
}

/// The first record of a chain; null if there is none.
type Bucket = AtomicPtr<Record>;

struct HashIndex {
    pool: ArenaPool,
    /// Invariant: it holds the epoch of the buckets, and of all records that they lead to.
    lease: Lease,
    /// Invariant: initialised, and shared as atomics only.
    buckets: NonNull<[Bucket]>,
    hasher: RandomState,
}

// SAFETY: the buckets are atomics in memory that is held by the lease, which is `Send`.
unsafe impl Send for HashIndex {}
// SAFETY: `&self` changes buckets only, which are atomics; the records that they lead to never change.
unsafe impl Sync for HashIndex {}

impl HashIndex {
    /// An index in the pool's current epoch. The number of buckets stays as it is.
    fn new(pool: &ArenaPool, buckets: usize) -> Result<Self, RawError> {
        let (guard, now) = (pool.pin(), pool.current_epoch());
        let lease = pool.lease(now).ok_or(RawError::Frozen { now })?;
        let size = buckets.max(1).saturating_mul(size_of::<Bucket>());
        let first = guard.alloc_raw(now, size, Alignment::WORD)?.cast();
        for at in 0..buckets.max(1) {
            // SAFETY: inside the bytes just allocated, which are this thread's alone, and aligned.
            unsafe { first.add(at).write(Bucket::default()) };
        }
        Ok(Self {
            pool: pool.clone(),
            lease,
            buckets: NonNull::slice_from_raw_parts(first, buckets.max(1)),
            hasher: RandomState::new(),
        })
    }

    /// Inserts a key that is not there. `false` if it is.
    fn insert(&self, new_key: &[u8], value: &[u8]) -> Result<bool, RawError> {
        let bucket = self.bucket(new_key);
        // Acquire: the records that it leads to, which the Release below published.
        let next = bucket.load(Ordering::Acquire);
        if self.find(next, new_key).is_some() {
            return Ok(false);
        }
        // Until the record can be found: `wait_sealed` waits for this guard.
        let guard = self.pool.pin();
        let place = guard.alloc_raw(self.lease.epoch(), size_of::<Record>(), Alignment::WORD)?;
        let (key, value) = (guard.alloc_copy(new_key)?, guard.alloc_copy(value)?);
        if value.epoch() != self.lease.epoch() {
            return Err(RawError::Frozen { now: value.epoch() }); // the pool has advanced since
        }
        let mut fresh = Record { next, key, value };
        loop {
            // SAFETY: aligned, with room for a record; this thread's alone until it is published.
            unsafe { place.cast().write(fresh) };
            // Release: the record, to the Acquire loads of its bucket. Acquire on failure: as above.
            let (order, failed) = (Ordering::Release, Ordering::Acquire);
            match bucket.compare_exchange(fresh.next, place.as_ptr().cast(), order, failed) {
                Ok(_) => return Ok(true),
                // Another thread was first. If with this key, the record is garbage of the epoch.
                Err(now) if self.find(now, new_key).is_some() => return Ok(false),
                Err(now) => fresh.next = now,
            }
        }
    }

    /// The value of a key. No lock, no pin.
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        // Acquire: as in `insert`.
        self.find(self.bucket(key).load(Ordering::Acquire), key)
    }

    fn bucket(&self, key: &[u8]) -> &Bucket {
        // SAFETY: the lease holds them for as long as `self` is borrowed.
        let buckets = unsafe { self.buckets.as_ref() };
        &buckets[self.hasher.hash_one(key) as usize % buckets.len()]
    }

    /// Looks for a key in the chain that begins at `record`, which came from a bucket.
    fn find(&self, mut record: *mut Record, key: &[u8]) -> Option<&[u8]> {
        // SAFETY: null, or a record that was published: complete, unchanging, and held by the lease.
        while let Some(found) = unsafe { record.as_ref() } {
            if self.lease.get(found.key) == Some(key) {
                return self.lease.get(found.value);
            }
            record = found.next;
        }
        None
    }
}

/// Inserts numbers from 0 on by two threads, each with its thread as the value; how many each did.
fn race(index: &HashIndex, numbers: u32) -> [usize; 2] {
    let insert = |n: &u32, value: u8| index.insert(&n.to_be_bytes(), &[value]) == Ok(true);
    let all = |value| (0..numbers).filter(|n| insert(n, value)).count();
    let start = &Barrier::new(2);
    std::thread::scope(|s| {
        let threads = [1, 2].map(|value| s.spawn(move || (start.wait(), all(value)).1));
        threads.map(|thread| thread.join().unwrap_or(0))
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ArenaPool::builder().build()?;
    let index = HashIndex::new(&pool, 1 << 12)?;
    println!("inserted by each thread: {:?}", race(&index, 20_000));
    pool.retire_before(pool.advance()?); // it takes no more, and can be read for as long as it exists
    println!("7: {:?}", index.get(&7_u32.to_be_bytes()));
    drop(index); // constant time
    println!("{}", pool.maintain());
    Ok(())
}

#[test]
fn each_key_is_inserted_by_one_thread_and_all_go_at_once() {
    let pool = ArenaPool::builder().build().unwrap();
    let index = HashIndex::new(&pool, 7).unwrap();
    let [one, two] = race(&index, 500);
    let now = pool.advance().unwrap();
    assert_eq!((one + two, pool.retire_before(now)), (500, 1));
    assert_eq!(index.insert(b"late", b""), Err(RawError::Frozen { now }));
    let ones = (0..500_u32).filter(|n| index.get(&n.to_be_bytes()).unwrap() == [1]);
    assert_eq!((ones.count(), index.get(b"late")), (one, None));
    drop(index);
    assert_eq!(pool.maintain().held_by_leases.epochs, 0);
}
