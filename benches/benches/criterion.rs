//! The second harness: criterion, one contestant after the other in one process. An order of two contestants counts if
//! `cargo xtask bench` tells the same one.
//!
//! `cargo bench -p epoch-arena-bench --features peer-bumpalo,... -- put/warm/user` measures what has this in its name.

use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use epoch_arena_bench::clock;
use epoch_arena_bench::contest::{Contestant, Plan, Resolver, room};
use epoch_arena_bench::contestants::{
    Boxes, Ours, PIN_PER_64, Visit, VisitResolver, visit, visit_resolver,
};
use epoch_arena_bench::groups::put::WARM_BYTES;
use epoch_arena_bench::shuffle::shuffle;
use epoch_arena_bench::wire::{Bench, KeySets, KeySource, Keys, ROSTER};

/// Warm puts.
fn put(c: &mut Criterion) {
    each(c, Bench::PutWarm, 1 << 16, |id, lane| visit(id, lane));
}

/// Resolves, of few handles and of many in random order.
fn resolve(c: &mut Criterion) {
    for (bench, count) in [
        (Bench::ResolveHot, 1 << 10),
        (Bench::ResolveRandom, 1_000_000),
    ] {
        each(c, bench, count, |id, lane| visit_resolver(id, lane));
    }
}

/// An epoch with keys, retired and reclaimed.
fn reclaim(c: &mut Criterion) {
    let group = &mut c.benchmark_group("reclaim");
    for count in [1 << 10, 1 << 16] {
        let keys = &KeySource::User.load(count).expect("they need no file");
        let ours = &format!("epoch-arena/{count}");
        passes::<Ours<PIN_PER_64>>(group, ours, keys, |[_, reset]| reset);
        let boxes = &format!("Box, system malloc/{count}");
        passes::<Boxes<false>>(group, boxes, keys, |[_, reset]| reset);
    }
}

fn pin(c: &mut Criterion) {
    let builder = epoch_arena::ArenaPool::builder();
    let pool = builder.build().expect("the default settings build");
    c.bench_function("pin", |bencher| bencher.iter(|| pool.pin()));
    let outer = pool.pin();
    c.bench_function("pin/nested", |bencher| bencher.iter(|| pool.pin()));
    drop(outer);
}

/// Has `run` measure each contestant that may share a process, on every key set that this machine has.
fn each(
    c: &mut Criterion,
    bench: Bench,
    count: usize,
    run: impl Fn(&str, Lane<'_, '_>) -> Option<()>,
) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sets = KeySets::collect(&[], folder).expect("no file was given");
    for (set, reason) in sets.skipped {
        eprintln!("{set} is skipped: {reason}");
    }
    for source in sets.usable {
        let keys = source.load(count).expect("it was found just now");
        let keys = &match bench {
            Bench::PutWarm => keys.within(WARM_BYTES),
            _ => keys,
        };
        let group = &mut c.benchmark_group(format!("{bench}/{}", source.name()));
        group.throughput(Throughput::Elements(keys.len() as u64));
        for one in ROSTER.iter().filter(|one| !one.isolated) {
            if one.enters(bench, None) {
                let name = one.label;
                // One that was not built is left out.
                run(one.id, Lane { group, name, keys });
            }
        }
    }
}

struct Lane<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    name: &'a str,
    keys: &'a Keys,
}

/// Measures passes: of each, what `part` takes of the nanoseconds of its puts and of its reset.
fn passes<C: Contestant>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    keys: &Keys,
    part: impl Fn([f64; 2]) -> f64,
) {
    let mut crew = C::crew(Plan::of_one(keys));
    let (worker, mut out) = (&mut crew[0], room(keys.len()));
    let mut pass = || {
        let (fill, ()) = clock::time(|| worker.fill(keys, &mut out));
        let (reset, ()) = clock::time(|| {
            worker.reset(&mut out);
            worker.reset_shared();
        });
        part([fill, reset])
    };
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let nanos: f64 = (0..iterations).map(|_| pass()).sum();
            Duration::from_nanos(nanos as u64)
        });
    });
}

impl Visit for Lane<'_, '_> {
    type Out = ();

    fn visit<C: Contestant + 'static>(self) {
        // The reset makes the memory warm for the next pass and is not a part of a put.
        passes::<C>(self.group, self.name, self.keys, |[fill, _]| fill);
    }
}

impl VisitResolver for Lane<'_, '_> {
    type Out = ();

    fn visit<C: Resolver + 'static>(self) {
        let mut crew = C::crew(Plan::of_one(self.keys));
        let mut handles = room(self.keys.len());
        crew[0].fill(self.keys, &mut handles);
        shuffle(&mut handles);
        self.group.bench_function(self.name, |bencher| {
            bencher.iter(|| crew[0].resolve(&handles));
        });
    }
}

criterion_group!(benches, put, resolve, reclaim, pin);
criterion_main!(benches);
