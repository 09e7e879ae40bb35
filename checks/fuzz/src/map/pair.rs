//! A map and its model, which are changed and looked at together.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use arbitrary::{Result, Unstructured};
use epoch_arena::{ArenaMap, Entry, InsertError};

use super::decode::{Bounds, Line, key, version};
use crate::faulty::Faults;

/// What is in a map.
pub type Model = BTreeMap<Line, Vec<u8>>;

/// A map and its model.
pub struct Pair {
    /// The map.
    pub map: ArenaMap,
    /// What is in it.
    pub model: Model,
    /// Whether it has been followed by another map.
    pub rotated: bool,
}

impl Pair {
    /// Of a new map.
    pub fn new(map: ArenaMap) -> Self {
        Self {
            map,
            model: Model::new(),
            rotated: false,
        }
    }

    /// Inserts one record.
    pub fn insert(&mut self, faults: &Faults, key: Vec<u8>, version: u64, value: Vec<u8>) {
        insert(&self.map, &mut self.model, faults, (key, version, value));
    }

    /// Inserts records of one key, or of neighbours, in ascending or descending order.
    pub fn insert_run(&mut self, faults: &Faults, input: &mut Unstructured<'_>) -> Result<()> {
        let (key, version) = (key(input)?, version(input)?);
        let [shape, count]: [u8; 2] = input.arbitrary()?;
        // Short, mostly.
        let count = if shape & 12 == 0 { count } else { count % 32 };
        for n in 0..count {
            let n = if shape & 1 == 0 { n } else { count - 1 - n };
            let value = vec![n; usize::from(shape >> 4)];
            if shape & 2 == 0 {
                self.insert(faults, [&key[..], &[n]].concat(), version, value);
            } else {
                let version = version.wrapping_add(u64::from(n));
                self.insert(faults, key.clone(), version, value);
            }
        }
        Ok(())
    }

    /// Gets one record.
    pub fn get(&self, key: &[u8], at: u64) {
        let mut from = self.model.range((key.to_vec(), Reverse(at))..);
        let expected = from.next().filter(|((other, _), _)| other == key);
        let expected = expected.map(|(line, value)| (line.clone(), value.clone()));
        assert_eq!(self.map.get(key, at).map(owned), expected);
        let [one, other] = self.map.get_many([key, b""], at);
        assert_eq!(one.map(owned), expected);
        assert_eq!(other, self.map.get(b"", at));
    }

    /// The lines in a range: all, or of each key the newest that is not newer than `at`.
    pub fn lines(&self, bounds: &Bounds, at: Option<u64>) -> Vec<&Line> {
        let wanted = |line: &&Line| bounds.contains(&line.0) && at.is_none_or(|at| line.1.0 <= at);
        let mut lines: Vec<&Line> = self.model.keys().filter(wanted).collect();
        if at.is_some() {
            lines.dedup_by(|next, first| next.0 == first.0);
        }
        lines
    }

    /// Goes through a range from both ends, as the bits of `turns` say.
    pub fn scan(&self, bounds: &Bounds, at: u64, turns: u64) {
        for (turns, at) in [
            (0, None),
            (u64::MAX, Some(at)),
            (turns, None),
            (turns, Some(at)),
        ] {
            let (map, bounds, lines) = (&self.map, bounds.clone(), self.lines(bounds, at));
            match at {
                None => both_ends(map.range::<Vec<u8>, _>(bounds), lines, turns),
                Some(at) => both_ends(map.range_at::<Vec<u8>, _>(bounds, at), lines, turns),
            }
        }
    }

    /// All of it, values too.
    pub fn check(&self) {
        self.scan(
            &(Bound::Unbounded, Bound::Unbounded),
            20,
            0x5a5a_5a5a_5a5a_5a5a,
        );
        let values = self.map.iter().map(|entry| entry.value());
        assert!(values.eq(self.model.values()));
        for (key, Reverse(version)) in self.model.keys() {
            self.get(key, *version);
        }
    }
}

/// Inserts one record, while the map may be borrowed.
pub fn insert(
    map: &ArenaMap,
    model: &mut Model,
    faults: &Faults,
    (key, version, value): (Vec<u8>, u64, Vec<u8>),
) {
    let (now, failures) = (map.pool().current_epoch(), faults.failures());
    let line = (key, Reverse(version));
    match map.insert(&line.0, version, &value) {
        Ok(()) => {
            assert_eq!(map.epoch(), now);
            assert_eq!(model.insert(line, value), None);
        }
        Err(InsertError::Exists) => assert!(model.contains_key(&line)),
        Err(InsertError::Frozen { now: other }) => assert!(map.epoch() < now && other == now),
        Err(error) => {
            assert!(error.over_budget().is_some() || faults.failures() > failures);
        }
    }
    assert_eq!(map.len(), model.len());
}

/// An entry as the model has it.
pub fn owned(entry: Entry<'_>) -> (Line, Vec<u8>) {
    (line(entry), entry.value().to_vec())
}

/// What orders it.
pub fn line(entry: Entry<'_>) -> Line {
    (entry.key().to_vec(), Reverse(entry.version()))
}

/// Takes from both ends, and sees that these lines come and no more.
fn both_ends<'m>(
    mut iter: impl DoubleEndedIterator<Item = Entry<'m>>,
    lines: Vec<&Line>,
    turns: u64,
) {
    let (count, mut lines) = (lines.len() as u32, lines.into_iter());
    for turn in 0..=count {
        let (found, expected) = match turns.rotate_left(turn) & 1 {
            0 => (iter.next(), lines.next()),
            _ => (iter.next_back(), lines.next_back()),
        };
        assert_eq!(found.map(line).as_ref(), expected);
    }
    assert!(iter.next().is_none() && iter.next_back().is_none());
}
