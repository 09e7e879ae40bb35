//! `cargo bench -p epoch-arena-bench --bench resolve`: hot and random resolves under criterion.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use epoch_arena_bench::contest::{Plan, Resolver, room};
use epoch_arena_bench::contestants::{
    Floor, HUGE_PAGES, INLINE, Ours, PIN_EACH, PIN_ONCE, PIN_PER_64,
};
use epoch_arena_bench::shuffle::shuffle;
use epoch_arena_bench::wire::KeySource;

fn resolve(c: &mut Criterion) {
    for (name, count) in [("hot", 1 << 10), ("random", 1 << 20)] {
        let mut group = c.benchmark_group(format!("resolve/{name}"));
        group.throughput(Throughput::Elements(count as u64));
        one::<Floor<INLINE, HUGE_PAGES>>(&mut group, "raw slice", count);
        one::<Ours<PIN_ONCE>>(&mut group, "one pin", count);
        one::<Ours<PIN_PER_64>>(&mut group, "pin per 64", count);
        one::<Ours<PIN_EACH>>(&mut group, "pin per key", count);
        group.finish();
    }
}

type Group<'c> = criterion::BenchmarkGroup<'c, criterion::measurement::WallTime>;

fn one<C: Resolver>(group: &mut Group<'_>, name: &str, count: usize) {
    let keys = KeySource::User
        .load(count)
        .expect("generated keys need no file");
    let plan = Plan::of_one(&keys);
    let mut crew = C::crew(plan);
    let mut handles = room(count);
    crew[0].fill(&keys, &mut handles);
    shuffle(&mut handles);
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter(|| crew[0].resolve(&handles));
    });
}

criterion_group!(benches, resolve);
criterion_main!(benches);
