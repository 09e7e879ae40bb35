//! `cargo bench -p epoch-arena-bench --features peer-bumpalo,... --bench put`: warm puts under criterion, one contestant
//! after the other in one process: the second harness. An order of two contestants counts if `cargo xtask bench` tells the
//! same one.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use epoch_arena_bench::clock;
use epoch_arena_bench::contest::{Contestant, Plan, room};
use epoch_arena_bench::contestants::{Visit, visit};
use epoch_arena_bench::wire::{self, Bench, KeySource, Keys, ROSTER};

/// Keys per iteration.
const COUNT: usize = 1 << 16;

fn put(c: &mut Criterion) {
    for source in [KeySource::Fix16, KeySource::User] {
        let keys = &source.load(COUNT).expect("generated keys need no file");
        let group = &mut c.benchmark_group(format!("put/{}", source.name()));
        group.throughput(Throughput::Elements(COUNT as u64));
        let shares = |one: &&wire::Contestant| one.enters(Bench::PutWarm, None) && !one.isolated;
        for one in ROSTER.iter().filter(shares) {
            let name = one.label;
            // One that was not built is left out.
            let _ = visit(one.id, Measured { group, name, keys });
        }
    }
}

struct Measured<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    name: &'a str,
    keys: &'a Keys,
}

impl Visit for Measured<'_, '_> {
    type Out = ();

    fn visit<C: Contestant + 'static>(self) {
        let mut crew = C::crew(Plan::of_one(self.keys));
        let mut out = room(self.keys.len());
        self.group.bench_function(self.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    // The reset makes the memory warm for the next pass and is not a part of a put.
                    let (nanos, ()) = clock::time(|| crew[0].fill(self.keys, &mut out));
                    total += Duration::from_nanos(nanos as u64);
                    crew[0].reset(&mut out);
                    crew[0].reset_shared();
                }
                total
            });
        });
    }
}

criterion_group!(benches, put);
criterion_main!(benches);
