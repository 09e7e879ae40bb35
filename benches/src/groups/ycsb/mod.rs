//! YCSB's mixes on maps of other people's, with keys and values in boxes and in an arena.
//!
//! The shapes are those of the public core workloads: a load, then A (half reads, half updates), B (19 reads to an
//! update), C (reads only) and F (half reads, half read-modify-writes), each record asked for as often as its rank in a
//! Zipf distribution says.

mod btree;
mod bytes;
#[cfg(feature = "peer-scc")]
mod scc;
#[cfg(feature = "peer-skiplist")]
mod skipmap;
mod zipf;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use crate::groups::{NOT_BUILT, guarded, skip};
use crate::os::{keep_to_core, resident};
use crate::report::{self, Figure};
use crate::wire::Job;
#[cfg(any(feature = "peer-scc", feature = "peer-skiplist"))]
use bytes::Arcs;
use bytes::{Boxed, InArena};
use zipf::Zipf;

/// Bytes of a value; YCSB's field.
const VALUE: usize = 100;
/// Bytes of a key: `user` and 20 digits.
const KEY: usize = 24;

/// A map with some kind of keys and values.
pub trait Engine: Sync {
    /// Adds or replaces a record.
    fn put(&self, key: &[u8], value: &[u8]);

    /// Reads a record, and touches its value's first byte; `None` if it is not there.
    fn read(&self, key: &[u8]) -> Option<u64>;
}

/// Reads per 100 operations, and the kind of the others.
#[derive(Clone, Copy)]
struct Mix {
    suffix: &'static str,
    reads: u64,
    /// Whether an update reads the record first.
    modify: bool,
}

const MIXES: [Mix; 4] = [
    Mix {
        suffix: "/a",
        reads: 50,
        modify: false,
    },
    Mix {
        suffix: "/b",
        reads: 95,
        modify: false,
    },
    Mix {
        suffix: "/c",
        reads: 100,
        modify: false,
    },
    Mix {
        suffix: "/f",
        reads: 50,
        modify: true,
    },
];

/// Measures the job's contestants; of an honest job there is one.
pub fn run(job: &Job) {
    for id in &job.contestants {
        let before = resident();
        guarded(id, || match engine(id) {
            Some(engine) => measure(job, id, &*engine, before),
            None => skip(id, NOT_BUILT),
        });
    }
}

/// The engine; `None` where this executable was built without it.
fn engine(id: &str) -> Option<Box<dyn Engine>> {
    // Which malloc is behind it is the executable's business.
    Some(match id.strip_suffix("-mimalloc").unwrap_or(id) {
        "btree-box" => Box::new(btree::Map::new(Boxed)),
        "btree-ours" => Box::new(btree::Map::new(InArena::new())),
        #[cfg(feature = "peer-skiplist")]
        "skipmap-box" => Box::new(skipmap::Map::new(Boxed)),
        #[cfg(feature = "peer-skiplist")]
        "skipmap-arc" => Box::new(skipmap::Map::new(Arcs)),
        #[cfg(feature = "peer-skiplist")]
        "skipmap-ours" => Box::new(skipmap::Map::new(InArena::new())),
        #[cfg(feature = "peer-scc")]
        "tree-arc" => Box::new(scc::Tree::new(Arcs)),
        #[cfg(feature = "peer-scc")]
        "tree-ours" => Box::new(scc::Tree::new(InArena::new())),
        #[cfg(feature = "peer-scc")]
        "hash-box" => Box::new(scc::Hash::new(Boxed)),
        #[cfg(feature = "peer-scc")]
        "hash-ours" => Box::new(scc::Hash::new(InArena::new())),
        _ => return None,
    })
}

/// Loads the records, runs each mix, and reports.
fn measure(job: &Job, id: &str, engine: &dyn Engine, before: usize) {
    let records = job.count;
    let per_record = |suffix| {
        let bytes = resident().saturating_sub(before) as f64 / records as f64;
        let figure = Figure {
            suffix,
            value: bytes,
            unit: "B/record",
            floor: Some((KEY + VALUE) as f64),
        };
        report::sample(job, id, figure);
    };
    let time = |suffix, value| {
        let figure = Figure {
            suffix,
            value,
            unit: "ns/op",
            floor: None,
        };
        report::sample(job, id, figure);
    };
    time(
        "/load",
        by_all(job.threads, records, |thread, _| {
            load(engine, thread, job.threads, records);
        }),
    );
    per_record("/rss");
    let zipf = Zipf::new(records as u64);
    for mix in MIXES {
        time(
            mix.suffix,
            by_all(job.threads, records, |thread, operations| {
                operate(engine, mix, &zipf, thread, operations);
            }),
        );
    }
    per_record("/rss-end");
}

/// Has all threads do an equal part of `operations`; nanoseconds per operation, of all threads together.
fn by_all(threads: usize, operations: usize, work: impl Fn(usize, usize) + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let (work, barrier) = (&work, &barrier);
    let spans: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    keep_to_core(thread);
                    barrier.wait();
                    let start = Instant::now();
                    work(thread, operations / threads);
                    (start, Instant::now())
                })
            })
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|span| span.expect("a worker panicked"))
            .collect()
    });
    let first = spans.iter().map(|span| span.0).min();
    let last = spans.iter().map(|span| span.1).max();
    let nanos = first
        .zip(last)
        .map_or(0, |(first, last)| (last - first).as_nanos());
    nanos as f64 / operations as f64
}

/// Puts every `threads`th record.
fn load(engine: &dyn Engine, thread: usize, threads: usize, records: usize) {
    let mut value = [0; VALUE];
    for record in (thread..records).step_by(threads) {
        fill(&mut value, record as u64);
        engine.put(&key(record as u64), &value);
    }
}

fn operate(engine: &dyn Engine, mix: Mix, zipf: &Zipf, thread: usize, operations: usize) {
    let mut random = fastrand::Rng::with_seed(thread as u64);
    let mut value = [0; VALUE];
    let mut missing = 0_usize;
    for operation in 0..operations {
        let key = key(zipf.scrambled(&mut random));
        let reads = random.u64(..100) < mix.reads;
        if reads || mix.modify {
            match engine.read(&key) {
                Some(seen) => drop(black_box(seen)),
                None => missing += 1,
            }
        }
        if !reads {
            fill(&mut value, operation as u64);
            engine.put(&key, &value);
        }
    }
    // A skip list removes a record before it inserts the new one, and a reader may come in between.
    assert!(missing * 100 <= operations, "{missing} reads found nothing");
}

fn fill(value: &mut [u8; VALUE], seed: u64) {
    value[..8].copy_from_slice(&seed.to_le_bytes());
}

/// `user` and the hash of the record's number, as YCSB orders its inserts.
fn key(record: u64) -> [u8; KEY] {
    let mut key = *b"user00000000000000000000";
    let mut rest = zipf::hash(record);
    for digit in key[4..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_length_and_differ() {
        let mut keys: Vec<_> = (0..10_000).map(key).collect();
        assert!(keys.iter().all(|key| key.starts_with(b"user")));
        assert!(keys.iter().flatten().all(u8::is_ascii_alphanumeric));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 10_000);
    }

    /// Those of peers only where they were built.
    #[test]
    fn engines_read_what_was_put_last() {
        for id in [
            "btree-box",
            "btree-ours",
            "skipmap-box",
            "skipmap-arc",
            "skipmap-ours-mimalloc",
            "tree-arc",
            "tree-ours",
            "hash-box",
            "hash-ours",
        ] {
            let Some(engine) = engine(id) else { continue };
            load(&*engine, 0, 1, 100);
            assert_eq!(engine.read(&key(7)), Some(7), "{id}");
            engine.put(&key(7), &[9; VALUE]);
            assert_eq!(engine.read(&key(7)), Some(9), "{id}");
            assert_eq!(engine.read(&key(100)), None, "{id}");
            for mix in MIXES {
                operate(&*engine, mix, &Zipf::new(100), 1, 1000);
            }
        }
    }
}
