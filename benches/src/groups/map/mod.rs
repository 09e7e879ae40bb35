//! Ordered maps side by side: loads, gets, scans, YCSB's mixes, memory and drop.

mod btree;
#[cfg(any(
    feature = "peer-scc",
    feature = "peer-concurrent-map",
    feature = "peer-blart"
))]
mod inline;
mod load;
mod mixes;
mod ours;
#[cfg(any(
    feature = "peer-skiplist",
    feature = "peer-lsm-tree",
    feature = "peer-skl"
))]
mod skiplists;
mod zipf;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock;
use crate::contest::{Gate, clock_span, together};
use crate::groups::{entered, guarded, skip};
use crate::os::resident;
use crate::report::{self, figure};
use crate::wire::{Bench, Group, Job, Keys};
use load::{Load, RESERVED};
use mixes::{MIXES, operate};

/// Reads of a measurement: half as many as there are records, but not fewer than the first, nor more than the second.
const READS: [usize; 2] = [1 << 16, 1 << 18];

/// Everything that is measured, in the order of the tables.
const OPERATIONS: [&str; 15] = [
    "insert", "sorted", "get", "zipf", "miss", "forward", "backward", "range", "a", "b", "c", "e",
    "f", "bytes", "drop",
];

/// One thread's hold of a map.
pub trait Map: Send + Sized {
    /// Names of operations that it does not have.
    const LACKS: &'static [&'static str] = &[];

    /// An empty map.
    fn new(size: Size) -> Self;

    /// The same map for one more thread; `None` where it serves one.
    fn share(&self) -> Option<Self>;

    /// Adds a record or, with a version that was not there before, replaces its value.
    fn put(&mut self, key: &[u8], value: &[u8], version: u64);

    /// Adds records that are not there.
    fn load<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, value: &[u8]) {
        keys.for_each(|key| self.put(key, value, 0));
    }

    /// The first byte of the value, which is 1; 0 if the record is not there.
    fn get(&self, key: &[u8]) -> u64;

    /// The sum of the values' first bytes: the number of records.
    fn scan(&self, scan: Scan<'_>) -> u64;
}

/// What will be in a map, for those whose size is fixed.
#[derive(Clone, Copy)]
pub struct Size {
    /// Records.
    pub records: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

/// Which records are visited.
#[derive(Clone, Copy)]
pub enum Scan<'k> {
    /// All, in order.
    Forward,
    /// All, the last one first.
    Backward,
    /// From this key on, at most so many.
    From(&'k [u8], usize),
}

/// A read touches the value.
fn first(value: &[u8]) -> u64 {
    value.first().copied().map_or(0, u64::from)
}

/// A scan of a map that can be walked both ways, from either end or from a key on.
#[inline(always)]
fn sum<'k, E, A: DoubleEndedIterator<Item = E>, F: Iterator<Item = E>>(
    scan: Scan<'k>,
    all: impl FnOnce() -> A,
    from: impl FnOnce(&'k [u8]) -> F,
    value: impl FnMut(E) -> u64,
) -> u64 {
    match scan {
        Scan::Forward => all().map(value).sum(),
        Scan::Backward => all().rev().map(value).sum(),
        Scan::From(key, most) => from(key).take(most).map(value).sum(),
    }
}

/// How many keys a job needs: its records, and what mix E adds. `None` where the group is another.
pub fn keys_of(job: &Job) -> Option<usize> {
    let records = job.at.unwrap_or(job.count);
    (job.bench.group() == Group::Map).then_some(records * RESERVED / (RESERVED - 1))
}

/// Measures the job's contestants; of an honest job there is one.
pub fn run(job: &Job, keys: &'static Keys) {
    for id in &job.contestants {
        let reads = (keys.len() / 2).clamp(READS[0], READS[1]);
        let load = Load::new(keys, reads, id.starts_with("blart"));
        let Some(measure) = entered(id, || measure(id, load.length)) else {
            continue;
        };
        match guarded(id, || measure(job, &load)) {
            Some(Some(outcome)) => report(job, id, &outcome),
            Some(None) => skip(id, "it serves one thread"),
            None => {}
        }
    }
}

fn report(job: &Job, id: &str, outcome: &Outcome) {
    let at = job.at.map_or_else(String::new, |at| format!("/{at}"));
    for (what, value, unit) in outcome.figures.iter().copied() {
        let name = format!("map/{what}{at}");
        report::named(job, id, name, figure("", value, unit, None));
    }
    if !outcome.lacks.is_empty() {
        skip(id, &format!("left out: {}", outcome.lacks.join(", ")));
    }
}

/// What came of a measurement: names, values and units, and what the map does not have.
struct Outcome {
    figures: Vec<(&'static str, f64, &'static str)>,
    lacks: &'static [&'static str],
}

/// `None` where the map serves fewer threads than the job asks for.
type Measure = fn(&Job, &Load) -> Option<Outcome>;

/// The measurement of a contestant, with keys of this length; `None` where this executable was built without it.
#[allow(unused, reason = "only some peers ask for the length")]
fn measure(id: &str, length: Option<usize>) -> Option<Measure> {
    macro_rules! by_length {
        ($map:ident) => {
            match length {
                Some(16) => of::<inline::$map<[u8; 16]>>,
                Some(24) => of::<inline::$map<[u8; 24]>>,
                _ => of::<inline::$map<Vec<u8>>>,
            }
        };
    }
    // Which malloc is behind it is the executable's business.
    Some(match id.strip_suffix("-mimalloc").unwrap_or(id) {
        "arena-map" => of::<ours::Ours<false>>,
        "arena-map-writer" => of::<ours::Ours<true>>,
        "btree" => of::<std::collections::BTreeMap<Box<[u8]>, Box<[u8]>>>,
        "btree-lock" => of::<btree::Locked>,
        #[cfg(feature = "peer-skiplist")]
        "skipmap" => of::<skiplists::Boxed>,
        #[cfg(feature = "peer-lsm-tree")]
        "lsm-memtable" => of::<skiplists::Memtable>,
        #[cfg(feature = "peer-skl")]
        "skl" => of::<skiplists::Skl>,
        #[cfg(feature = "peer-scc")]
        "tree-index" => by_length!(TreeIndex),
        #[cfg(feature = "peer-concurrent-map")]
        "concurrent-map" => by_length!(Concurrent),
        #[cfg(feature = "peer-blart")]
        "blart" => by_length!(Radix),
        _ => return None,
    })
}

/// Measures one map.
fn of<M: Map>(job: &Job, load: &Load) -> Option<Outcome> {
    let mut figures = Vec::new();
    let mut say = |what, value, unit| figures.push((what, value, unit));
    let (records, alone) = (load.records(), job.threads == 1);
    let before = resident();
    let (mut crew, mut insert) = loaded::<M>(job.threads, load, &load.fresh, 1)?;
    let bytes = resident().saturating_sub(before);
    // A small map is loaded several times over.
    let times = load.hits.len().div_ceil(records);
    if times > 1 {
        drop(crew);
        (crew, insert) = loaded::<M>(job.threads, load, &load.fresh, times)?;
    }
    say("insert", insert, "ns/op");

    let get = |map: &mut M, share: Share<'_>| share.map(|(_, key)| map.get(key)).sum();
    let read = |crew: &mut [M], keys, expected| {
        let (nanos, found) = by_all(crew, keys, get);
        assert_eq!(
            found, expected,
            "records are missing, or there are too many"
        );
        nanos
    };
    let reads = load.hits.len() as u64;
    say("get", read(&mut crew, &load.hits, reads), "ns/op");
    say("miss", read(&mut crew, &load.misses, 0), "ns/op");
    if alone {
        for (what, scan) in [("forward", Scan::Forward), ("backward", Scan::Backward)] {
            let (nanos, found) = clock::time(|| crew[0].scan(scan));
            assert_eq!(found, records as u64, "a scan has every record once");
            say(what, nanos / records as f64, "ns/op");
        }
    }
    if !M::LACKS.contains(&"range") {
        let starts = load.hits.part(0, load.hits.len() / 64);
        let range = |map: &mut M, share: Share<'_>| {
            let ranges = share.map(|(_, key)| map.scan(Scan::From(key, 100)));
            ranges.sum()
        };
        say("range", by_all(&mut crew, &starts, range).0, "ns/op");
    }
    if job.bench == Bench::Map {
        say("zipf", read(&mut crew, &load.popular, reads), "ns/op");
        for mix in MIXES.iter().filter(|mix| !M::LACKS.contains(&mix.name)) {
            let part = load.popular.part(0, load.popular.len() / mix.part);
            let operate = |map: &mut M, share: Share<'_>| operate(map, mix, load, share);
            say(mix.name, by_all(&mut crew, &part, operate).0, "ns/op");
        }
    }
    let (dropped, ()) = clock::time(|| drop(crew));
    let (crew, sorted) = loaded::<M>(job.threads, load, &load.sorted, times)?;
    drop(crew);
    say("sorted", sorted, "ns/op");
    if alone {
        say("bytes", bytes as f64 / records as f64, "B/record");
        say("drop", dropped / 1000.0, "us");
    }
    let place = |what: &str| OPERATIONS.iter().position(|one| *one == what);
    figures.sort_by_key(|(what, ..)| place(what));
    let lacks = M::LACKS;
    Some(Outcome { figures, lacks })
}

/// A map with these records, held by so many threads, and the nanoseconds that each took, the mean of so many loads;
/// `None` if it serves fewer threads.
fn loaded<M: Map>(threads: usize, load: &Load, keys: &Keys, times: usize) -> Option<(Vec<M>, f64)> {
    let all = [keys, &load.reserve];
    let payload: usize = all.iter().map(|keys| keys.payload()).sum();
    let records = all.iter().map(|keys| keys.len()).sum();
    let bytes = payload + records * load.value.len();
    let (mut crew, mut nanos) = (Vec::new(), 0.0);
    for _ in 0..times {
        crew.clear();
        crew.push(M::new(Size { records, bytes }));
        while crew.len() < threads {
            crew.push(crew[0].share()?);
        }
        let load = |map: &mut M, share: Share<'_>| {
            map.load(share.map(|(_, key)| key), &load.value);
            0
        };
        nanos += by_all(&mut crew, keys, load).0;
    }
    Some((crew, nanos / times as f64))
}

/// A thread's keys, with their numbers: of all, each as many behind the one before as there are threads.
struct Share<'k> {
    keys: &'k Keys,
    at: usize,
    step: usize,
}

impl<'k> Iterator for Share<'k> {
    type Item = (usize, &'k [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        self.at += self.step;
        (at < self.keys.len()).then(|| (at, self.keys.at(at)))
    }
}

/// Has all threads do their part; nanoseconds for each key, of all threads together, and the sum of what they found.
fn by_all<M: Map>(
    crew: &mut [M],
    keys: &Keys,
    work: impl Fn(&mut M, Share<'_>) -> u64 + Sync,
) -> (f64, u64) {
    let (step, found) = (crew.len(), AtomicU64::new(0));
    let act = |at, map: &mut M| {
        let share = Share { keys, at, step };
        // Relaxed: the threads are joined before it is read.
        found.fetch_add(work(map, share), Ordering::Relaxed);
    };
    let nanos = if let [map] = crew {
        clock::time(|| act(0, map)).0
    } else {
        let gate = Gate::new(step);
        together(crew.iter_mut().enumerate(), |(nth, map)| {
            gate.pass();
            clock_span(|| act(nth, map))
        })
    };
    (nanos / keys.len() as f64, found.into_inner())
}

#[cfg(test)]
mod tests {
    use super::mixes::Mix;
    use super::*;
    use crate::wire::{KeySource, ROSTER};

    fn keys(source: &KeySource) -> &'static Keys {
        Box::leak(Box::new(source.load(1_050).unwrap()))
    }

    /// Those of peers only where they were built.
    #[test]
    fn every_map_finds_what_was_put_and_serves_as_many_threads_as_it_says() {
        for source in [KeySource::Fix16, KeySource::User24, KeySource::User] {
            for one in ROSTER.iter().filter(|one| one.groups.contains(&Group::Map)) {
                let load = Load::new(keys(&source), 1_000, one.id.starts_with("blart"));
                let found = measure(one.id, load.length).filter(|_| !one.id.ends_with("malloc"));
                let Some(measure) = found else { continue };
                let all = one.enters(Bench::Map, None);
                let outcome = |threads| {
                    let job = Job {
                        bench: if all { Bench::Map } else { Bench::MapSize },
                        contestants: vec![one.id.into()],
                        keys: source.clone(),
                        threads,
                        rounds: 1,
                        seed: 0,
                        count: 1_000,
                        at: None,
                    };
                    // It asserts what it finds.
                    measure(&job, &load)
                };
                let outcome_of_one = outcome(1).expect("one thread is what all serve");
                let figures = outcome_of_one.figures.len() + outcome_of_one.lacks.len();
                assert_eq!(
                    figures,
                    if all { OPERATIONS.len() } else { 9 },
                    "{}",
                    one.id
                );
                let serves_one = ["btree", "blart"].contains(&one.id);
                assert_eq!(outcome(2).is_none(), serves_one, "{}", one.id);
            }
        }
    }

    fn operated<M: Map>() -> (u64, u64) {
        let load = Load::new(keys(&KeySource::User), 16_000, false);
        let (mut crew, _) = loaded::<M>(2, &load, &load.fresh, 1).unwrap();
        let mut of = |mix: &Mix| {
            let operate = |map: &mut M, share: Share<'_>| operate(map, mix, &load, share);
            by_all(&mut crew, &load.popular, operate).1
        };
        let [c, _, _, _, f] = MIXES.each_ref().map(&mut of);
        assert_eq!(c, load.popular.len() as u64);
        assert_eq!(f, c, "an update of mix F reads its record, too");
        let [load_c, reserve] = [&load.popular, &load.reserve].map(|keys| {
            by_all(&mut crew, keys, |map, share| {
                share.map(|(_, key)| map.get(key)).sum()
            })
            .1
        });
        (load_c, reserve)
    }

    #[test]
    fn mixes_lose_nothing_and_mix_e_adds_what_was_kept_back() {
        let expected = (16_000, 50);
        assert_eq!(operated::<ours::Ours<false>>(), expected);
        assert_eq!(operated::<btree::Locked>(), expected);
    }
}
