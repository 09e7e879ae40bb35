//! Keys, and the heads that stand for them. Arithmetic only.

#![forbid(unsafe_code)]

/// How many bytes are in a word.
pub(crate) const WORD: usize = 8;

/// What a page's heads are made of: how many bytes its keys share, or this, where all its keys are one
/// and the versions tell its records apart.
pub(crate) const VERSIONS: u32 = u32::MAX;

/// The eight bytes from `from` on, big-endian, so that words order as their bytes do; padded with zeros.
#[inline(always)]
fn word_at(bytes: &[u8], from: usize) -> u64 {
    let Some(rest) = bytes.get(from..) else {
        return 0;
    };
    if let Some(word) = rest.first_chunk() {
        return u64::from_be_bytes(*word);
    }
    let mut word = [0; WORD];
    for (to, byte) in word.iter_mut().zip(rest) {
        *to = *byte;
    }
    u64::from_be_bytes(word)
}

/// The head of a record: what orders it among the records of a page with `skip`, but for ties.
#[inline(always)]
pub(crate) fn head(key: &[u8], version: u64, skip: u32) -> u64 {
    if skip == VERSIONS {
        return !version;
    }
    word_at(key, skip as usize)
}

/// The tag of a key: keys with different tags are not equal. A hash of all its bytes, so that it does not matter which of
/// them differ.
#[inline(always)]
pub(crate) fn tag(key: &[u8]) -> u8 {
    // An odd number with bits in no pattern: that of the golden ratio.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(MIX);
    let (mut hash, mut rest) = (key.len() as u64, key);
    while let Some((word, behind)) = rest.split_first_chunk() {
        (hash, rest) = (mix(hash, u64::from_le_bytes(*word)), behind);
    }
    // The last eight bytes, some of them again; or the few that there are.
    let last = key
        .last_chunk()
        .copied()
        .map_or_else(|| word_at(rest, 0), u64::from_le_bytes);
    (mix(hash, last) >> 56) as u8
}

/// The `skip` for a page whose records are between `low` and `high`: what lies between two keys
/// begins with what they share.
pub(crate) fn skip_between(low: &[u8], high: &[u8]) -> u32 {
    let shared = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    if shared == low.len() && shared == high.len() {
        return VERSIONS;
    }
    // A key is shorter than 16 MiB.
    shared as u32
}

/// The `skip` for a page that had `old` and is to have `new`, which is no less: a few bytes more are not
/// worth the heads of its records, which have to be read for them.
pub(crate) fn worthwhile(old: u32, new: u32) -> u32 {
    const FEW: u32 = 4;
    if new == VERSIONS || new - old.min(new) >= FEW {
        new
    } else {
        old
    }
}

/// What is looked for: a place in the order of records, key ascending, version descending.
#[derive(Clone, Copy)]
pub(crate) struct Target<'k> {
    pub key: &'k [u8],
    pub version: u64,
    /// The tag of the key.
    pub tag: u8,
}

impl<'k> Target<'k> {
    #[inline(always)]
    pub fn new(key: &'k [u8], version: u64) -> Self {
        let tag = tag(key);
        Self { key, version, tag }
    }

    #[inline(always)]
    pub fn head(&self, skip: u32) -> u64 {
        head(self.key, self.version, skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_never_contradict_the_order_between_the_fences() {
        let keys = ["", "a", "a\0", "aa", "aab", "aab\0\0", "aabzzzzzzzzz", "ab"];
        for low in 0..keys.len() {
            for high in low..keys.len() {
                let skip = skip_between(keys[low].as_bytes(), keys[high].as_bytes());
                for a in low..=high {
                    for b in a..=high {
                        let head = |key: usize| head(keys[key].as_bytes(), 7, skip);
                        assert!(head(a) <= head(b), "{low} {high} {a} {b}");
                    }
                }
            }
        }
        assert_eq!(skip_between(b"same", b"same"), VERSIONS);
        assert!(head(b"same", 9, VERSIONS) < head(b"same", 8, VERSIONS));
    }

    /// Wherever a byte differs, the tag mostly does.
    #[test]
    fn tags_tell_keys_apart_that_differ_in_one_byte() {
        for len in if cfg!(miri) { 7..=9 } else { 1..=40 } {
            for place in 0..len {
                let tags = (0..=255).map(|byte| {
                    let mut key = vec![b'k'; len];
                    key[place] = byte;
                    tag(&key)
                });
                let many = tags.collect::<std::collections::BTreeSet<u8>>().len();
                assert!(
                    many > 120,
                    "{many} tags of keys of {len} bytes that differ at {place}"
                );
            }
            let zeros = |len| tag(&vec![0; len]);
            assert_ne!(zeros(len), zeros(len - 1), "{len}");
        }
    }
}
