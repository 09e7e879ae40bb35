//! The figures as `serde` sees them.

use epoch_arena_pool::ArenaPool;
use serde_json::{Value, json};

use crate::pools::{advance, pool, put};

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn every_figure_is_serialised_under_its_name() {
    let pool: ArenaPool = pool(2);
    put(&pool, b"user:12345");
    let lease = pool.lease(pool.current_epoch()).unwrap();
    let guard = pool.pin();
    advance(&pool, 2);

    let stats = pool.stats();
    let value = serde_json::to_value(&stats).unwrap();
    assert_eq!(value["current"], json!(pool.current_epoch().number()));
    assert_eq!(value["live_epochs"], json!(2));
    assert_eq!(value["retired"], json!(512));
    assert_eq!(value["held_by_guards"], json!({"epochs": 1, "bytes": 512}));
    assert_eq!(value["memory"]["budget"], Value::Null);
    assert_eq!(value["pinned"][0]["lag"], json!(2));
    let leased = &value["leases"][0];
    assert_eq!(leased["epoch"], json!(lease.epoch().number()));
    let place = leased["place"].as_str().unwrap();
    assert!(place.contains("serialised.rs:"), "{place}");
    assert!(leased["seconds"].as_f64().unwrap() < 60.0);
    // As many as `Debug` shows: none is forgotten.
    let shown = format!("{stats:?}");
    for key in keys(&value) {
        assert!(shown.contains(&format!("{key}: ")), "{key}");
    }
    assert_eq!(keys(&value).len(), 15);

    let of = serde_json::to_value(pool.stats_of(lease.epoch()).unwrap()).unwrap();
    assert_eq!(
        (&of["payload"], &of["allocations"]),
        (&json!(10), &json!(1))
    );
    let report = serde_json::to_value(pool.maintain()).unwrap();
    assert_eq!(report["reclaimed_epochs"], json!(0));
    drop(guard);
}

/// What holds no epoch can be read again, as a program that watches from outside may want to.
#[test]
fn figures_without_an_epoch_can_be_read_again() {
    let pool = pool(2);
    put(&pool, b"key");
    let stats = pool.stats();
    let text = serde_json::to_string(&stats.memory).unwrap();
    let memory: epoch_arena_block::MemoryStats = serde_json::from_str(&text).unwrap();
    assert_eq!(memory, stats.memory);
    let held = serde_json::from_value(json!({"epochs": 3, "bytes": 7})).unwrap();
    let epoch_arena_pool::EpochBytes { epochs, bytes, .. } = held;
    assert_eq!((epochs, bytes), (3, 7));
}
