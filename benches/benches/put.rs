//! `cargo bench -p epoch-arena-bench --bench put`: warm puts under criterion.
//!
//! For watching one change over time; `cargo xtask bench` compares with others.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use epoch_arena_bench::contest::{Contestant, Plan, room};
use epoch_arena_bench::contestants::{Floor, HUGE_PAGES, INLINE, Ours, PIN_EACH, PIN_PER_64};
use epoch_arena_bench::wire::{KeySource, Keys};

/// Keys per iteration.
const COUNT: usize = 1 << 14;

fn put(c: &mut Criterion) {
    for source in [KeySource::Fix16, KeySource::User] {
        let keys = source.load(COUNT).expect("generated keys need no file");
        let mut group = c.benchmark_group(format!("put/{}", source.name()));
        group.throughput(Throughput::Elements(COUNT as u64));
        one::<Floor<INLINE, HUGE_PAGES>>(&mut group, "floor", &keys);
        one::<Ours<PIN_PER_64>>(&mut group, "pin per 64", &keys);
        one::<Ours<PIN_EACH>>(&mut group, "pin per key", &keys);
        group.finish();
    }
}

type Group<'c> = criterion::BenchmarkGroup<'c, criterion::measurement::WallTime>;

fn one<C: Contestant>(group: &mut Group<'_>, name: &str, keys: &Keys) {
    let plan = Plan::of_one(keys);
    let mut crew = C::crew(plan);
    let mut out = room(keys.len());
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..iterations {
                // The reset makes the memory warm for the next pass and is not a part of a put.
                let start = std::time::Instant::now();
                crew[0].fill(keys, &mut out);
                total += start.elapsed();
                crew[0].reset(&mut out);
                crew[0].reset_shared();
            }
            total
        });
    });
}

criterion_group!(benches, put);
criterion_main!(benches);
