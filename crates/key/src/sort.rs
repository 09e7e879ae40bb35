//! Sorting many keys: by eight bytes at a time, wherever in the keys they differ.

use std::cmp::Ordering;

use crate::key_ref::{KeyRef, prefix};

/// Bytes that are compared at once.
const WINDOW: usize = size_of::<u64>();

/// Up to this many keys are compared as they are.
const FEW: usize = 12;

/// Sorts resolved keys by their bytes, in place and unstably: the same order as `keys.sort()`.
///
/// Comparing two keys looks at their bytes only where their first eight are equal. Sorting many
/// goes further: it skips what all of them share, holds the next eight bytes of each in place of
/// the first, and so on in each group of equals. So keys with long shared prefixes, as paths or
/// `tenant/table/row`, sort by words, too, and each byte is looked at about once.
///
/// On average `n log n` comparisons of words, and no memory beside the slice.
///
/// ```
/// use epoch_arena_key::{KeyRef, sort_keys};
/// let paths = ["/usr/lib/libz", "/usr/lib/liba", "/usr/lib", "/usr/lib/liba.so"];
/// let mut keys = paths.map(|path| KeyRef::new(path.as_bytes()));
/// sort_keys(&mut keys);
/// let sorted = keys.map(|key| key.as_bytes().len());
/// assert_eq!(sorted, [8, 13, 16, 13]);
/// assert!(keys.is_sorted());
/// ```
pub fn sort_keys(keys: &mut [KeyRef<'_>]) {
    sort_from(keys, 0);
    for key in keys {
        key.look_at(0);
    }
}

/// Sorts keys that share their first `depth` bytes. Leaves them looking anywhere.
fn sort_from<'k>(mut keys: &mut [KeyRef<'k>], mut depth: usize) {
    while keys.len() > FEW {
        depth = look_behind_shared(keys, depth);
        keys.sort_unstable_by(|a, b| by_window(a, b, depth));
        // Each group of keys that are equal so far and go on: by what is next. The largest one in
        // the next round, so that calls nest no deeper than a logarithm of their number.
        let mut largest: &mut [KeyRef<'k>] = &mut [];
        for group in keys.chunk_by_mut(|a, b| by_window(a, b, depth) == Ordering::Equal) {
            if group[0].len() - depth > WINDOW {
                let mut smaller = group;
                if smaller.len() > largest.len() {
                    std::mem::swap(&mut smaller, &mut largest);
                }
                sort_from(smaller, depth + WINDOW);
            }
        }
        keys = largest;
        depth += WINDOW;
    }
    keys.sort_unstable_by(|a, b| a[depth..].cmp(&b[depth..]));
}

/// By the eight bytes that are looked at; of keys that end within them, by their length: the window
/// of a shorter one is filled up with zeros, which the longer may have, too.
fn by_window(a: &KeyRef<'_>, b: &KeyRef<'_>, depth: usize) -> Ordering {
    let rest = |key: &KeyRef<'_>| (key.len() - depth).min(WINDOW + 1);
    a.window()
        .cmp(&b.window())
        .then_with(|| rest(a).cmp(&rest(b)))
}

/// Has all keys look behind what they share, `known` bytes at least; returns how much that is.
fn look_behind_shared(keys: &mut [KeyRef<'_>], known: usize) -> usize {
    let first = keys[0].as_bytes();
    // The last one tells what to expect; where another shares less, all look again.
    let mut depth = shared(first, &keys[keys.len() - 1], known);
    while let Some(other) = keys.iter_mut().find_map(|key| {
        let shares = key.get(known..depth) == Some(&first[known..depth]);
        if shares {
            key.look_at(depth);
        }
        (!shares).then_some(*key)
    }) {
        depth = shared(first, &other, known);
    }
    depth
}

/// How many bytes two keys share, which share `depth` at least.
fn shared(a: &[u8], b: &[u8], depth: usize) -> usize {
    let same = |(a, b): &(&u8, &u8)| a == b;
    depth + a[depth..].iter().zip(&b[depth..]).take_while(same).count()
}

impl KeyRef<'_> {
    /// Puts the eight bytes at `depth` in place of the first ones.
    fn look_at(&mut self, depth: usize) {
        *self = Self::with_prefix(self.as_bytes(), prefix(&self.as_bytes()[depth..]));
    }
}
