//! The hot operations one by one, for a tool that counts instructions: `cargo xtask verify --only counts`.
//!
//! One thread and no clock, so that a count repeats exactly. The tool runs each scenario with N operations and with 2N;
//! the difference belongs to N operations, and the other costs of a process cancel out.

use std::hint::black_box;
use std::process::ExitCode;

use epoch_arena::{Alignment, ArenaPool, Memory, Resolve};
use epoch_arena_map::ArenaMap;

/// A name, and the operation that it counts.
type Scenario = (&'static str, fn(u64));

/// The operations that can be counted, beside a put.
const SCENARIOS: [Scenario; 12] = [
    ("put_batch", put_batch),
    ("resolve", resolve),
    ("get_many", get_many),
    ("pin", pin),
    ("refill", refill),
    ("advance", advance),
    ("reclaim", reclaim),
    ("beside_held", beside_held),
    ("beside_pools", beside_pools),
    ("map_insert", map_insert),
    ("map_get", map_get),
    ("map_get_many", map_get_many),
];

/// A key of 16 bytes.
const KEY: [u8; 16] = *b"0123456789abcdef";
/// Keys of a batch, and of a reclaimed epoch.
const BATCH: u64 = 64;
/// Held epochs, leases and pools beside those that are used: a call that is linear in them shows.
const MANY: usize = 4096;

/// Runs `SCENARIO N`; lists the scenarios if there are no arguments. `burden` is run at each put: nothing, but for the
/// seeded regression that the comparison must notice.
pub fn main(burden: impl Fn()) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, n] = &arguments[..] else {
        println!("put");
        SCENARIOS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Ok(n) = n.parse() else {
        eprintln!("not a number: {n}");
        return ExitCode::from(2);
    };
    let found = SCENARIOS.iter().find(|(known, _)| known == name);
    match found {
        Some((_, scenario)) => scenario(n),
        None if name == "put" => put(n, burden),
        None => {
            eprintln!("no such scenario: {name}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn pool() -> ArenaPool {
    let builder = ArenaPool::builder().retained_epochs(1);
    builder.build().expect("the default settings build")
}

/// One put of 16 bytes, under one guard for all.
#[inline(never)]
pub fn put(n: u64, burden: impl Fn()) {
    let pool = pool();
    let guard = pool.pin();
    for _ in 0..n {
        burden();
        let key = black_box(&KEY);
        black_box(guard.alloc_copy(key).expect("there is memory"));
    }
}

/// One key of 16 bytes in batches of 64.
#[inline(never)]
pub fn put_batch(n: u64) {
    let pool = pool();
    let guard = pool.pin();
    for _ in 0..n / BATCH {
        let mut batch = guard
            .batch(KEY.len() * BATCH as usize)
            .expect("there is memory");
        for _ in 0..BATCH {
            let key = black_box(&KEY);
            black_box(batch.push(key).expect("there is room"));
        }
    }
}

/// One handle of a live epoch.
#[inline(never)]
pub fn resolve(n: u64) {
    let pool = pool();
    let guard = pool.pin();
    let handle = guard.alloc_copy(&KEY).expect("there is memory");
    for _ in 0..n {
        black_box(guard.get(black_box(handle)));
    }
}

/// One handle of an array of eight.
#[inline(never)]
pub fn get_many(n: u64) {
    let pool = pool();
    let guard = pool.pin();
    let handles = [(); 8].map(|()| guard.alloc_copy(&KEY).expect("there is memory"));
    for _ in 0..n / 8 {
        black_box(guard.get_many(black_box(&handles)));
    }
}

/// One pin and its unpin, with crossbeam-epoch's occasional collects.
#[inline(never)]
pub fn pin(n: u64) {
    let pool = pool();
    for _ in 0..n {
        black_box(&pool.pin());
    }
}

/// One large value, never written: a chunk for these has room for eight, and every eighth value or so takes one.
fn refill(n: u64) {
    const LEN: usize = 60 << 10;
    let pool = pool();
    for at in 0..n {
        let guard = pool.pin();
        black_box(
            &guard
                .alloc_uninit(LEN, Alignment::BYTE)
                .expect("there is memory"),
        );
        drop(guard);
        // Now and then the memory is used again.
        if at % BATCH == 0 {
            pool.advance().expect("nobody holds an epoch");
        }
    }
}

/// One epoch with nothing in it.
fn advance(n: u64) {
    let pool = pool();
    for _ in 0..n {
        pool.advance().expect("nobody holds an epoch");
    }
}

/// One epoch with 64 keys, from the first put until its memory is free again.
fn reclaim(n: u64) {
    let pool = pool();
    for _ in 0..n {
        let guard = pool.pin();
        for _ in 0..BATCH {
            black_box(guard.alloc_copy(black_box(&KEY)).expect("there is memory"));
        }
        drop(guard);
        pool.advance().expect("nobody holds an epoch");
    }
}

/// One of each call whose cost does not grow with what it does not name: beside many epochs that are held, and many
/// leases of one that is live.
fn beside_held(n: u64) {
    let pool = ArenaPool::builder().retained_epochs(2).build();
    let pool = pool.expect("the settings build");
    let lease = || pool.lease(pool.current_epoch()).expect("it is live");
    let mut leases = Vec::new();
    for _ in 0..MANY {
        pool.pin().alloc_copy(&KEY).expect("there is memory");
        leases.push(lease());
        pool.advance().expect("there are numbers left");
    }
    leases.extend((0..MANY).map(|_| lease()));
    for _ in 0..n {
        pool.pin().alloc_copy(&KEY).expect("there is memory");
        let one = lease();
        black_box((one.clone().bytes(), pool.bytes(), pool.oldest_lease()));
        black_box(pool.stats_of(pool.current_epoch()));
        drop(one);
        pool.advance().expect("there are numbers left");
    }
}

/// One pool that is built, used and dropped beside many over the same memory.
fn beside_pools(n: u64) {
    let memory = Memory::builder()
        .build()
        .expect("the default settings build");
    let build = || {
        let builder = ArenaPool::builder().memory(memory.clone());
        builder.build().expect("the default settings build")
    };
    let _pools: Vec<_> = (0..MANY).map(|_| build()).collect();
    for _ in 0..n {
        build().pin().alloc_copy(&KEY).expect("there is memory");
    }
}

/// Key number `at`; in the order of the numbers the keys look random.
fn scattered(at: u64) -> [u8; 16] {
    let high = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (u128::from(high) << 64 | u128::from(at)).to_be_bytes()
}

/// A map with so many records.
fn map(records: u64) -> ArenaMap {
    let map = ArenaMap::new(&pool()).expect("there is memory");
    for at in 0..records {
        let inserted = map.insert(&scattered(at), 0, &KEY);
        inserted.expect("there is memory");
    }
    map
}

/// One insert in random order, into a map that grows.
#[inline(never)]
pub fn map_insert(n: u64) {
    black_box(map(n));
}

/// One get of a record that is there.
#[inline(never)]
pub fn map_get(n: u64) {
    let records = MANY as u64;
    let map = map(records);
    for at in 0..n {
        black_box(map.get(black_box(&scattered(at % records)), u64::MAX));
    }
}

/// The same, eight at a time.
#[inline(never)]
pub fn map_get_many(n: u64) {
    let records = MANY as u64;
    let map = map(records);
    for at in 0..n / 8 {
        let keys: [[u8; 16]; 8] =
            std::array::from_fn(|nth| scattered((at * 8 + nth as u64) % records));
        black_box(map.get_many(black_box(keys.each_ref().map(|key| &key[..])), u64::MAX));
    }
}
