//! Writers, readers, and one that advances as fast as it can; every key carries a checksum of
//! itself, and any wrong byte panics.
//!
//! By hand, longer:
//!
//! ```text
//! EPOCH_ARENA_STRESS_SECONDS=60 EPOCH_ARENA_STRESS_WRITERS=8 EPOCH_ARENA_STRESS_READERS=8 \
//!     cargo test --release -p epoch-arena --test all -- --nocapture stress
//! ```

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use epoch_arena::crossbeam_epoch::Collector;
use epoch_arena::{ArenaGuard, ArenaKey, ArenaPool, KeyRef, Memory, Resolve};

use crate::ends::Finish;

/// Places through which readers get the handles of writers.
const SHELVES: usize = if cfg!(miri) { 16 } else { 4096 };
const LONGEST: usize = 200;
/// Never reached where memory is flat; a leak of a few seconds passes it.
const BUDGET: usize = 2 << 30;

struct Load {
    time: Duration,
    writers: u64,
    readers: u64,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    read: AtomicU64,
    stale: AtomicU64,
    advanced: AtomicU64,
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

struct Stress {
    pool: ArenaPool,
    collector: Collector,
    shelves: Vec<Mutex<Option<ArenaKey>>>,
    done: AtomicBool,
    counts: Counts,
}

/// xorshift64*: numbers that look random, the same in every run.
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        (number as usize * bound) >> 32
    }
}

/// FNV-1a over the length and the bytes.
fn checksum(body: &[u8]) -> [u8; 8] {
    let start = 0xcbf2_9ce4_8422_2325 ^ body.len() as u64;
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    body.iter().fold(start, step).to_be_bytes()
}

fn check(key: KeyRef<'_>) {
    let (sum, body) = key
        .split_first_chunk::<8>()
        .expect("every key has a checksum");
    assert_eq!(
        *sum,
        checksum(body),
        "a wrong byte in a key of {} bytes",
        key.len()
    );
    // The prefix beside the handle is that of these very bytes.
    assert_eq!(key, KeyRef::new(key.as_bytes()));
}

impl Stress {
    fn shelf(&self, rng: &mut Rng) -> Option<ArenaKey> {
        *self.shelves[rng.below(SHELVES)].lock().unwrap()
    }

    fn write(&self, seed: u64) {
        let mut rng = Rng::new(seed);
        let body: Vec<u8> = (0..=LONGEST).map(|_| rng.below(256) as u8).collect();
        while !self.done.load(Ordering::Relaxed) {
            let guard = self.pool.pin();
            let mut batch = guard.batch(16 * (LONGEST + 8)).unwrap();
            for round in 0..32 {
                let from = rng.below(LONGEST);
                let body = &body[from..from + rng.below(LONGEST - from)];
                let sum = checksum(body);
                let handle = match round % 4 {
                    0 | 1 => batch.push_concat([&sum, body]).unwrap(),
                    2 => guard.alloc_concat([&sum, body]).unwrap(),
                    _ => {
                        let fill = |room: &mut [u8]| {
                            room[..8].copy_from_slice(&sum);
                            room[8..].copy_from_slice(body);
                        };
                        guard.alloc_with(8 + body.len(), fill).unwrap()
                    }
                };
                // Stale at birth, if the pool has moved on by a whole window meanwhile.
                let Some(key) = ArenaKey::from_handle(handle, &guard) else {
                    continue;
                };
                *self.shelves[rng.below(SHELVES)].lock().unwrap() = Some(key);
            }
            self.promote(&guard, &mut rng);
            add(&self.counts.written, 32);
        }
    }

    /// A survivor or two.
    fn promote(&self, guard: &ArenaGuard<'_>, rng: &mut Rng) {
        for _ in 0..2 {
            if let Some(key) = self.shelf(rng).and_then(|key| key.promote(guard).ok()) {
                *self.shelves[rng.below(SHELVES)].lock().unwrap() = Some(key);
            }
        }
    }

    fn read(&self, seed: u64) {
        let mut rng = Rng::new(seed);
        let participant = self.collector.register();
        while !self.done.load(Ordering::Relaxed) {
            match rng.below(8) {
                0 => self.look(&self.pool.snapshot(), &mut rng),
                1 => {
                    let epoch = self.shelf(&mut rng).map(|key| key.epoch());
                    if let Some(lease) = epoch.and_then(|epoch| self.pool.lease(epoch)) {
                        self.look(&lease, &mut rng);
                    }
                }
                2..=4 => {
                    let theirs = participant.pin();
                    let guard = self.pool.pin_with(&theirs).unwrap();
                    self.look(&guard, &mut rng);
                }
                _ => {
                    let mut guard = self.pool.pin();
                    self.look(&guard, &mut rng);
                    guard.refresh();
                    self.look(&guard, &mut rng);
                }
            }
        }
    }

    /// Resolves some keys, and checks them all again after others had time to do harm.
    fn look(&self, by: &impl Resolve, rng: &mut Rng) {
        let keys = [(); 16].map(|()| self.shelf(rng));
        let seen = keys.map(|key| key.and_then(|key| key.resolve(by)));
        let found = || seen.iter().flatten();
        found().for_each(|key| check(*key));
        if rng.below(16) == 0 {
            std::thread::yield_now();
        }
        found().for_each(|key| check(*key));
        let found = found().count();
        add(&self.counts.read, found as u64);
        add(&self.counts.stale, (keys.len() - found) as u64);
    }

    fn advance(&self) {
        while !self.done.load(Ordering::Relaxed) {
            self.pool
                .advance()
                .expect("it is never refused for what is held");
            add(&self.counts.advanced, 1);
        }
    }
}

/// Runs the load; panics on a wrong byte, on growth, and on anything left at the end.
fn stress(load: &Load) -> Counts {
    let memory = Memory::builder().budget(BUDGET).build().unwrap();
    let collector = Collector::new();
    let builder = ArenaPool::builder().memory(memory.clone());
    let pool = builder.collector(collector.clone()).build().unwrap();
    let stress = Stress {
        pool,
        collector,
        shelves: (0..SHELVES).map(|_| Mutex::new(None)).collect(),
        done: AtomicBool::new(false),
        counts: Counts::default(),
    };
    let mut peaks = [0; 2];
    std::thread::scope(|s| {
        let this = &stress;
        let finish = Finish(&this.done);
        let mut threads = vec![s.spawn(|| this.advance())];
        threads.extend((0..load.writers).map(|seed| s.spawn(move || this.write(seed))));
        threads.extend((0..load.readers).map(|seed| s.spawn(move || this.read(!seed))));
        let start = Instant::now();
        while start.elapsed() < load.time && threads.iter().all(|thread| !thread.is_finished()) {
            std::thread::sleep(load.time / 100);
            this.pool.maintain();
            let half = usize::from(start.elapsed() > load.time / 2);
            peaks[half] = memory.stats().in_use.max(peaks[half]);
        }
        drop(finish);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    // In use at the worst moment of each half: scheduling makes it vary, a leak would add up.
    assert!(
        peaks[1] <= 2 * peaks[0] + (256 << 20),
        "memory is not flat: {peaks:?}"
    );
    let Stress { pool, counts, .. } = stress;
    // A pinned advance may leave its retired epoch; unpinned ones finish it.
    for _ in 0..3 {
        pool.advance().unwrap();
    }
    pool.maintain();
    let stats = pool.stats();
    assert_eq!((stats.retired_epochs, pool.bytes()), (0, 0), "{stats}");
    drop(pool);
    memory.trim(0);
    assert_eq!(memory.stats().reserved, 0, "{}", memory.stats());
    println!("{counts:?}, bytes in use at most {peaks:?}");
    counts
}

fn variable(name: &str, default: u64) -> u64 {
    let value = std::env::var(format!("EPOCH_ARENA_STRESS_{name}"));
    value.map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn no_byte_is_wrong_under_stress_and_memory_stays_flat() {
    let miri = cfg!(miri);
    let load = Load {
        time: Duration::from_secs(variable("SECONDS", if miri { 1 } else { 3 })),
        writers: variable("WRITERS", if miri { 1 } else { 3 }),
        readers: variable("READERS", if miri { 1 } else { 3 }),
    };
    let counts = stress(&load);
    for count in [&counts.written, &counts.advanced] {
        assert!(
            count.load(Ordering::Relaxed) > 0,
            "nothing was done: {counts:?}"
        );
    }
    if !miri {
        assert!(counts.read.into_inner() > 0, "nothing was read: no test");
    }
}
