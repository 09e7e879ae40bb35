//! `cargo bench -p epoch-arena-bench --bench resolve`: hot and random resolves under criterion.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use epoch_arena_bench::contest::{Plan, Resolver, room};
use epoch_arena_bench::contestants::{VisitResolver, visit_resolver};
use epoch_arena_bench::shuffle::shuffle;
use epoch_arena_bench::wire::{self, Bench, KeySource, Keys, ROSTER};

fn resolve(c: &mut Criterion) {
    for (name, count) in [("hot", 1 << 10), ("random", 1_000_000)] {
        let keys = &KeySource::User
            .load(count)
            .expect("generated keys need no file");
        let group = &mut c.benchmark_group(format!("resolve/{name}"));
        group.throughput(Throughput::Elements(count as u64));
        let shares = |one: &&wire::Contestant| one.enters(Bench::ResolveHot, None) && !one.isolated;
        for one in ROSTER.iter().filter(shares) {
            let name = one.label;
            // One that was not built is left out.
            let _ = visit_resolver(one.id, Measured { group, name, keys });
        }
    }
}

struct Measured<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    name: &'a str,
    keys: &'a Keys,
}

impl VisitResolver for Measured<'_, '_> {
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

criterion_group!(benches, resolve);
criterion_main!(benches);
