//! `cargo bench -p epoch-arena-bench --bench reclaim`: a pin, and an epoch with keys retired and reclaimed.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use epoch_arena_bench::contest::{Contestant, Plan, room};
use epoch_arena_bench::contestants::{Boxes, Ours, PIN_PER_64};
use epoch_arena_bench::wire::KeySource;

fn reclaim(c: &mut Criterion) {
    let mut group = c.benchmark_group("reclaim");
    for count in [1 << 10, 1 << 16] {
        one::<Ours<PIN_PER_64>>(&mut group, "epoch-arena", count);
        one::<Boxes<false>>(&mut group, "Box, system malloc", count);
    }
    group.finish();
}

type Group<'c> = criterion::BenchmarkGroup<'c, criterion::measurement::WallTime>;

fn one<C: Contestant>(group: &mut Group<'_>, name: &str, count: usize) {
    let keys = KeySource::User
        .load(count)
        .expect("generated keys need no file");
    let plan = Plan::of_one(&keys);
    let mut crew = C::crew(plan);
    let mut out = room(count);
    group.bench_function(BenchmarkId::new(name, count), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                crew[0].fill(&keys, &mut out);
                let start = Instant::now();
                crew[0].reset(&mut out);
                crew[0].reset_shared();
                total += start.elapsed();
            }
            total
        });
    });
}

fn pin(c: &mut Criterion) {
    let pool = epoch_arena::ArenaPool::builder()
        .build()
        .expect("the default settings build");
    c.bench_function("pin", |bencher| bencher.iter(|| pool.pin()));
    let outer = pool.pin();
    c.bench_function("pin/nested", |bencher| bencher.iter(|| pool.pin()));
    drop(outer);
}

criterion_group!(benches, reclaim, pin);
criterion_main!(benches);
