//! Pools that share a collector know of each other's pins; others do not.

use crossbeam_epoch::Collector;

use crate::pools::{advance, builder, memory, put};

#[test]
fn a_pin_in_one_pool_is_named_by_another_of_the_same_memory_and_collector() {
    let (memory, collector) = (memory(), Collector::new());
    let builder = || builder(1).memory(memory.clone());
    let build = || builder().collector(collector.clone()).build().unwrap();
    let (one, other) = (build(), build());
    let apart = builder().collector(Collector::new()).build().unwrap();
    let guard = one.pin();
    for pool in [&other, &apart] {
        put(pool, b"key");
        advance(pool, 1);
    }
    let report = other.maintain();
    assert_eq!(
        (report.held_by_guards.epochs, report.held_unseen.epochs),
        (1, 0)
    );
    assert_eq!(report.pinned.len(), 1);
    assert_eq!(report.pinned[0].held_back, report.held_by_guards.bytes);
    let report = apart.maintain();
    assert_eq!((report.held_by_guards.epochs, report.pinned), (0, vec![]));
    drop(guard);
    assert_eq!(other.maintain().reclaimed_epochs, 1);
}
