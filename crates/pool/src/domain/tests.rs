//! Lists of a domain and of a memory stay as short as what is alive.

use super::*;

#[test]
fn a_collector_has_one_domain_and_those_that_are_gone_are_forgotten() {
    let domains = Domains::default();
    let collector = Collector::new();
    let kept = domains.given(collector.clone());
    for _ in 0..100 {
        drop(domains.given(Collector::new()));
        assert!(Arc::ptr_eq(&kept, &domains.given(collector.clone())));
    }
    assert_eq!(
        lock(&domains.given).len(),
        1,
        "that of the other is taken out"
    );
}

/// A thread that is alive stays listed; those that have ended are at most as many.
#[test]
fn records_of_ended_threads_are_pruned() {
    let domain = Domain::own();
    let record = |_| {
        let record = Arc::new(CachePadded::new(Record::of_ending_thread()));
        domain.list(&record);
        record
    };
    let listed = || lock(&domain.records).list.len();
    for count in 0..1_000 {
        drop(record(count));
        assert!(listed() <= 16);
    }
    let alive: Vec<_> = (0..100).map(record).collect();
    for count in 0..1_000 {
        drop(record(count));
        assert!(listed() <= 2 * (alive.len() + 16));
    }
    alive.iter().for_each(|record| record.pin(7));
    assert_eq!(domain.pinned().len(), alive.len());
}
