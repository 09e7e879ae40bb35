//! Keys that share far more bytes than a sort looks at in one go.

use epoch_arena_key::{KeyRef, sort_keys};

/// The bytes that all share are skipped in several rounds, each with a longer look; then a group of the keys shares many
/// bytes again.
#[test]
fn keys_that_share_thousands_of_bytes_are_sorted_by_those_behind() {
    let key = |n: usize| {
        let middle = vec![b'm'; if n.is_multiple_of(3) { 0 } else { 900 }];
        let end = (n * 7919 % 500).to_string().into_bytes();
        [vec![b's'; 3_000], middle, end].concat()
    };
    let keys: Vec<_> = (0..500).map(key).collect();
    let mut sorted: Vec<_> = keys.iter().map(|key| KeyRef::new(key)).collect();
    sort_keys(&mut sorted);
    let mut expected: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    expected.sort_unstable();
    assert_eq!(
        sorted.iter().map(KeyRef::as_bytes).collect::<Vec<_>>(),
        expected
    );
}
