//! Sorting many keys: by eight bytes at a time, wherever in the keys they differ.

use crate::key_ref::{KeyRef, prefix};
use crate::search::shared;

/// Bytes that are compared at once.
const WINDOW: usize = size_of::<u64>();

/// Up to this many keys are compared as they are.
const FEW: usize = 12;

/// Bytes of a possible shared prefix that are looked at in one go at first: so many that paths take few rounds, so few that
/// little is lost where keys only seem to share them.
const AHEAD: usize = 64;

/// Sorts resolved keys by their bytes, in place and unstably: the same order as `keys.sort()`.
///
/// Comparing two keys looks at their bytes only where their first eight are equal. Sorting many
/// goes further: it skips the bytes that all of them share, holds the next eight bytes of each in place of
/// the first, sorts by these words alone, which takes no branches, and goes on with the next eight in
/// each group of equals. So keys with long shared prefixes, as paths or `tenant/table/row`, sort by
/// words, too, and few bytes are looked at more than once.
///
/// At most `n log n` comparisons of words for every eight bytes of the longest key, for keys as they
/// come once for all of them; and no memory beside the slice.
///
/// ```
/// # use epoch_arena_key as epoch_arena;
/// use epoch_arena::{KeyRef, sort_keys};
/// let paths = ["/usr/lib/libz", "/usr/lib/liba", "/usr/lib", "/usr/lib/liba.so"];
/// let mut keys = paths.map(|path| KeyRef::new(path.as_bytes()));
/// sort_keys(&mut keys);
/// let sorted = keys.map(|key| key.as_bytes().len());
/// assert_eq!(sorted, [8, 13, 16, 13]);
/// assert!(keys.is_sorted());
/// ```
pub fn sort_keys(keys: &mut [KeyRef<'_>]) {
    if keys.len() <= FEW {
        return keys.sort_unstable();
    }
    // The windows are the first eight bytes, and show the bytes shared there without a look at a key.
    let first = keys[0].as_bytes();
    let depth = match shared_windows(keys) {
        0 => 0,
        known => look_behind_shared(keys, known, AHEAD),
    };
    keys.sort_unstable_by_key(KeyRef::window);
    for group in keys.chunk_by_mut(|a, b| a.window() == b.window()) {
        let window = group[0].window();
        let longer = behind_the_ended(group, depth);
        if longer.len() > 1 {
            sort_from(longer, depth + WINDOW);
            longer.iter_mut().for_each(|key| key.look(window));
        }
    }
    if depth > 0 {
        // Back to the first eight bytes: those that all share, and then the first of the window.
        let head = prefix(&first[..depth.min(WINDOW)]);
        let bits = 8 * depth.min(WINDOW) as u32;
        let back =
            |key: &mut KeyRef<'_>| key.look(head | key.window().checked_shr(bits).unwrap_or(0));
        keys.iter_mut().for_each(back);
    }
}

/// Sorts keys that share their first `depth` bytes. Leaves them looking anywhere.
fn sort_from<'k>(mut keys: &mut [KeyRef<'k>], mut depth: usize) {
    let mut ahead = AHEAD;
    while keys.len() > FEW {
        let known = depth;
        depth = look_behind_shared(keys, known, ahead);
        // As far as that they share all: look further the next time.
        ahead = if depth - known == ahead {
            2 * ahead
        } else {
            AHEAD
        };
        keys.sort_unstable_by_key(KeyRef::window);
        // Each group of keys that are equal so far and go on: by what is next. The largest one in
        // the next round, so that calls nest no deeper than a logarithm of their number.
        let mut largest: &mut [KeyRef<'k>] = &mut [];
        for group in keys.chunk_by_mut(|a, b| a.window() == b.window()) {
            let mut smaller = behind_the_ended(group, depth);
            if smaller.len() > largest.len() {
                std::mem::swap(&mut smaller, &mut largest);
            }
            if smaller.len() > 1 {
                sort_from(smaller, depth + WINDOW);
            }
        }
        keys = largest;
        depth += WINDOW;
    }
    keys.sort_unstable_by(|a, b| a[depth..].cmp(&b[depth..]));
}

/// How many bytes all keys share within their windows, which are the first eight. The zeros that fill one up are
/// no bytes.
fn shared_windows(keys: &[KeyRef<'_>]) -> usize {
    let first = keys[0].window();
    let differ = keys
        .iter()
        .fold(0, |bits, key| bits | (key.window() ^ first));
    let equal = (differ.leading_zeros() / 8) as usize;
    keys.iter().fold(equal, |shared, key| shared.min(key.len()))
}

/// Of keys that look at the same: puts those first that end in there, by their length (the window of a shorter
/// one is filled up with zeros, which the longer may have, too). Returns the others.
fn behind_the_ended<'s, 'k>(group: &'s mut [KeyRef<'k>], depth: usize) -> &'s mut [KeyRef<'k>] {
    let rest = |key: &KeyRef<'_>| (key.len() - depth).min(WINDOW + 1);
    if group.len() > 1 {
        group.sort_unstable_by_key(rest);
    }
    let ended = group.partition_point(|key| rest(key) <= WINDOW);
    &mut group[ended..]
}

/// Moves the windows of all keys behind the bytes that they share, `known` at least; returns how much that is, or as
/// much of it as is looked `ahead` for.
fn look_behind_shared(keys: &mut [KeyRef<'_>], known: usize, ahead: usize) -> usize {
    let first = keys[0].as_bytes();
    // The last key is a guess for all.
    let expected = shared(first, &keys[keys.len() - 1], known).min(known + ahead);
    let mut depth = expected;
    for key in keys.iter_mut() {
        if key.get(known..depth) != Some(&first[known..depth]) {
            depth = shared(first, key, known);
        }
        key.look_at(depth);
    }
    if depth < expected {
        keys.iter_mut().for_each(|key| key.look_at(depth));
    }
    depth
}

impl KeyRef<'_> {
    /// Puts the eight bytes at `depth` in place of the first ones.
    fn look_at(&mut self, depth: usize) {
        self.look(prefix(&self.as_bytes()[depth..]));
    }

    /// Puts these eight bytes in place of the first ones.
    fn look(&mut self, window: u64) {
        *self = Self::with_prefix(self.as_bytes(), window);
    }
}
