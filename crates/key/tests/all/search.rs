//! `search_keys` finds what a binary search of the slices finds.

use epoch_arena_key::{KeyRef, search_keys};
use proptest::collection::vec;
use proptest::prelude::*;

/// In sorted keys without repeats there is one answer.
fn finds(mut keys: Vec<Vec<u8>>, wanted: &[Vec<u8>]) {
    keys.sort();
    keys.dedup();
    let sorted: Vec<KeyRef<'_>> = keys.iter().map(|key| KeyRef::new(key)).collect();
    for wanted in wanted.iter().chain(&keys) {
        assert_eq!(search_keys(&sorted, wanted), keys.binary_search(wanted));
    }
}

#[test]
fn a_search_compares_bytes_and_not_prefixes() {
    finds(vec![], &[vec![], vec![1]]);
    // Ends that look like the zeros that a prefix is filled up with.
    let zeros = |n: usize| [vec![b'k'; n % 5], vec![0; n % 13]].concat();
    finds((0..60).map(zeros).collect(), &[vec![0; 40], vec![b'k'; 9]]);
    // Each is a prefix of the next.
    finds(
        (0..300).map(|n| vec![b'a'; n]).collect(),
        &[vec![b'a'; 400], vec![b'b']],
    );
    let path = |n: usize| format!("/usr/share/some/where/{}/{n}", n % 7).into_bytes();
    finds(
        (0..2_000).step_by(2).map(path).collect(),
        &(0..2_000).map(path).collect::<Vec<_>>(),
    );
}

#[test]
fn among_equals_and_in_disorder_there_is_some_answer() {
    let same = [KeyRef::new(b"the same key"); 20];
    assert!(search_keys(&same, b"the same key").is_ok_and(|at| at < 20));
    assert_eq!(search_keys(&same, b"the same"), Err(0));
    assert_eq!(search_keys(&same, b"the same key!"), Err(20));
    let disorder = ["prefix..zz", "prefix..", "prefix..zzzz", "prefix..a"];
    let disorder = disorder.map(|key| KeyRef::new(key.as_bytes()));
    for wanted in [&b"prefix..zzz"[..], b"prefix..", b"prefix..b", b"", b"q"] {
        let (Ok(at) | Err(at)) = search_keys(&disorder, wanted);
        assert!(at <= disorder.len());
    }
}

proptest! {
    #[test]
    fn any_key_is_found_where_its_bytes_belong(
        keys in vec((0..3_u8, vec(0..3_u8, 0..14)), 0..120),
        wanted in vec((0..3_u8, vec(0..3_u8, 0..14)), 0..20),
    ) {
        let key = |(byte, tail): (u8, Vec<u8>)| [vec![byte / 2; 10 * usize::from(byte)], tail].concat();
        finds(
            keys.into_iter().map(key).collect(),
            &wanted.into_iter().map(key).collect::<Vec<_>>(),
        );
    }
}
