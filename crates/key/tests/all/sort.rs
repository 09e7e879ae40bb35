//! `sort_keys` gives the order of the slices, for keys that share anything or nothing.

use epoch_arena_key::{KeyRef, sort_keys};
use proptest::collection::vec;
use proptest::prelude::*;

/// Sorted as slices are, and whole again: each key has its own prefix.
fn sorts(keys: &[Vec<u8>]) {
    let mut expected: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    expected.sort();
    let mut sorted: Vec<KeyRef<'_>> = keys.iter().map(|key| KeyRef::new(key)).collect();
    sort_keys(&mut sorted);
    let found: Vec<&[u8]> = sorted.iter().map(KeyRef::as_bytes).collect();
    assert_eq!(found, expected);
    for key in sorted {
        assert_eq!(key, KeyRef::new(key.as_bytes()), "the prefix is back");
    }
}

#[test]
fn a_sort_of_many_keys_is_that_of_their_bytes() {
    sorts(&[]);
    sorts(&vec![vec![]; 100]);
    sorts(&vec![vec![7; 100]; 100]);
    // Each is a prefix of the next, so one leaves in every round.
    sorts(&(0..600).rev().map(|n| vec![b'a'; n]).collect::<Vec<_>>());
    // Ends that look like the zeros that a window is filled up with.
    let zeros = |n: usize| [vec![b'k'; n % 11], vec![0; n % 13]].concat();
    sorts(&(0..500).map(zeros).collect::<Vec<_>>());
    // Long shared prefixes, of which one key has less.
    let path = |n: usize| format!("/usr/share/some/where/deep/{}/{n}", n % 7).into_bytes();
    let mut paths: Vec<_> = (0..2_000).map(|n| path(n * 7919 % 2_000)).collect();
    paths[1_234] = b"/usr/local".to_vec();
    sorts(&paths);
}

/// Calls nest by a logarithm, not by the length of what is shared.
#[test]
fn a_deep_nest_of_prefixes_needs_little_stack() {
    let keys: Vec<Vec<u8>> = (0..3_000)
        .map(|n| vec![b'a'; 8 * (n * 7919 % 3_000)])
        .collect();
    let thread = std::thread::Builder::new().stack_size(64 << 10);
    thread.spawn(move || sorts(&keys)).unwrap().join().unwrap();
}

/// Keys of which each shares a little less with the first than the one before it: what is known of all of them must
/// not be found out anew for each.
#[test]
fn keys_chosen_to_mislead_are_sorted_by_few_looks() {
    let key = |n: usize| [vec![b'a'; 250 - n % 250], vec![b'b' + (n % 7) as u8]].concat();
    let mut keys: Vec<Vec<u8>> = (0..20_000).map(key).collect();
    keys.push(key(0));
    let started = std::time::Instant::now();
    sorts(&keys);
    // Three hundred times what it takes; looking at all keys for each of them took longer than that.
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
}

proptest! {
    #[test]
    fn any_keys_sort_as_their_bytes(
        parts in vec((0..4_u8, 0..40_usize, vec(0..3_u8, 0..12)), 0..200),
    ) {
        let keys: Vec<_> = parts
            .into_iter()
            .map(|(byte, shared, tail)| [vec![byte / 3; shared / 10 * 10], tail].concat())
            .collect();
        sorts(&keys);
    }
}
