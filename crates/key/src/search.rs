//! Finding a key among sorted ones: by its first eight bytes, then behind the shared bytes.

use std::cmp::Ordering;

use crate::key_ref::{KeyRef, prefix};

/// Finds `wanted` in keys that are sorted by their bytes, as `keys.binary_search` does: the index of
/// one that is equal, or where it would have to be inserted.
///
/// Where the first eight bytes tell keys apart, no key's bytes are looked at but the last one's.
/// Among keys that share them, no byte is compared twice that is known to be equal: a search among
/// paths or `tenant/table/row` costs as much as their differing parts.
///
/// Logarithmic in the number of keys. If they are not sorted the answer is some index.
///
/// # Errors
///
/// The index at which it would have to be inserted, if no key is equal.
///
/// ```
/// # use epoch_arena_key as epoch_arena;
/// use epoch_arena::{KeyRef, search_keys, sort_keys};
/// let mut keys = ["/usr/lib/libz", "/usr/lib", "/usr/bin"].map(|path| KeyRef::new(path.as_bytes()));
/// sort_keys(&mut keys);
/// assert_eq!(search_keys(&keys, b"/usr/lib"), Ok(1));
/// assert_eq!(search_keys(&keys, b"/usr/lib/liba"), Err(2));
/// ```
#[inline]
pub fn search_keys(keys: &[KeyRef<'_>], wanted: &[u8]) -> Result<usize, usize> {
    let word = prefix(wanted);
    // Where all share it, as paths may, words say nothing.
    let all_share = |key: Option<&KeyRef<'_>>| key.is_some_and(|key| key.window() == word);
    if all_share(keys.first()) && all_share(keys.last()) {
        return search_behind(keys, wanted);
    }
    let start = keys.partition_point(|key| key.window() < word);
    let equal = end_of_equals(&keys[start..], word);
    let found = search_behind(&keys[start..start + equal], wanted);
    found.map(|at| start + at).map_err(|at| start + at)
}

/// How many keys at the start have this prefix. Looks near the start first: they are mostly few.
fn end_of_equals(keys: &[KeyRef<'_>], word: u64) -> usize {
    let differs = |at: usize| keys.get(at).is_none_or(|key| key.window() != word);
    let mut step = 1;
    while !differs(step - 1) {
        step *= 2;
    }
    let known = step / 2;
    let rest = &keys[known..(step - 1).min(keys.len())];
    known + rest.partition_point(|key| key.window() == word)
}

/// Searches keys that all have the prefix of `wanted`.
fn search_behind(keys: &[KeyRef<'_>], wanted: &[u8]) -> Result<usize, usize> {
    let (mut low, mut high) = (0, keys.len());
    // How much the wanted key shares with the nearest ones that were seen on both sides. Whatever is
    // between these shares no less than the smaller of the two.
    let (mut below, mut above) = (0, 0);
    while low < high {
        let middle = low + (high - low) / 2;
        let key = keys[middle].as_bytes();
        let shared = shared(key, wanted, below.min(above));
        // One that ends here is less than one that goes on.
        match key.get(shared).cmp(&wanted.get(shared)) {
            Ordering::Less => (low, below) = (middle + 1, shared),
            Ordering::Greater => (high, above) = (middle, shared),
            Ordering::Equal => return Ok(middle),
        }
    }
    Err(low)
}

/// How many bytes two keys share, which share `known` at least. (If they do not, as keys that are not sorted
/// may, some number that is within both.)
pub(crate) fn shared(a: &[u8], b: &[u8], known: usize) -> usize {
    let most = a.len().min(b.len());
    let known = known.min(most);
    let (mut a, mut b, mut equal) = (&a[known..most], &b[known..most], known);
    while let (Some((a_word, a_rest)), Some((b_word, b_rest))) =
        (a.split_first_chunk(), b.split_first_chunk())
    {
        let differ = u64::from_le_bytes(*a_word) ^ u64::from_le_bytes(*b_word);
        if differ != 0 {
            return equal + (differ.trailing_zeros() / 8) as usize;
        }
        (a, b, equal) = (a_rest, b_rest, equal + 8);
    }
    equal + a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
