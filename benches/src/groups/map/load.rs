//! The keys of a run: what is loaded, and what is asked for, each laid out in the order of its use.

use crate::groups::map::zipf::Zipf;
use crate::shuffle::distinct;
use crate::wire::Keys;

/// One key in so many is kept back for the inserts of mix E.
pub const RESERVED: usize = 21;

/// What is loaded into a map and asked of it.
pub struct Load {
    /// The records, in random order.
    pub fresh: Keys,
    /// The same, sorted.
    pub sorted: Keys,
    /// Keys that are not loaded.
    pub reserve: Keys,
    /// Keys of records.
    pub hits: Keys,
    /// As many keys that are nearly the same, and not there.
    pub misses: Keys,
    /// Keys of records, each as often as its rank in a Zipf distribution says.
    pub popular: Keys,
    /// The value of every record; its first byte is 1.
    pub value: Vec<u8>,
    /// The length of the keys, if they have one length.
    pub length: Option<usize>,
}

impl Load {
    /// Of these keys, each once, and so many reads. `closed`: keys of several lengths get a zero behind them, for a map in
    /// which none may be the beginning of another.
    pub fn new(keys: &'static Keys, reads: usize, closed: bool) -> Self {
        let first = keys.at(0).len();
        let length = keys.iter().all(|key| key.len() == first).then_some(first);
        let mut keys = keys;
        if closed && length.is_none() {
            let mut ended = Keys::with_capacity(keys.len(), keys.payload() + keys.len());
            keys.iter()
                .for_each(|key| ended.push(&[key, &[0]].concat()));
            keys = Box::leak(Box::new(ended));
        }
        let mut all = distinct(keys);
        let reserve = all.split_off(all.len() - all.len() / RESERVED);
        let mut sorted = all.clone();
        sorted.sort_unstable();
        let mut random = fastrand::Rng::with_seed(7);
        let hits: Vec<&[u8]> = (0..reads).map(|_| all[random.usize(..all.len())]).collect();
        let near: Vec<Vec<u8>> = hits.iter().map(|key| near(key, &sorted)).collect();
        let misses: Vec<&[u8]> = near.iter().map(Vec::as_slice).collect();
        let zipf = Zipf::new(all.len() as u64);
        let popular: Vec<&[u8]> = (0..reads)
            .map(|_| all[zipf.scrambled(&mut random) as usize])
            .collect();
        let load = Self {
            fresh: copied(&all),
            sorted: copied(&sorted),
            reserve: copied(&reserve),
            hits: copied(&hits),
            misses: copied(&misses),
            popular: copied(&popular),
            value: vec![1; if length == Some(16) { 8 } else { 100 }],
            length,
        };
        // Not freed: the heap that is about to be measured must not find room that was left behind.
        std::mem::forget((all, sorted, reserve, hits, near, popular));
        load
    }

    /// How many records are loaded.
    pub fn records(&self) -> usize {
        self.fresh.len()
    }
}

/// A key that is nearly this one, and not there.
fn near(key: &[u8], sorted: &[&[u8]]) -> Vec<u8> {
    let mut near = key.to_vec();
    if let Some(last) = near.last_mut() {
        *last ^= 0x80;
    }
    while sorted.binary_search(&&*near).is_ok() {
        near.push(0x80);
    }
    near
}

/// Keys side by side, so that reading the next one costs next to nothing.
fn copied(keys: &[&[u8]]) -> Keys {
    let mut copied = Keys::with_capacity(keys.len(), keys.iter().map(|key| key.len()).sum());
    keys.iter().for_each(|key| copied.push(key));
    copied
}
