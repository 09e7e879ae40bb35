//! `ArenaMap` against a `BTreeMap`: inserts one by one and in runs, gets, ranges from both ends, iterators
//! that are open while records are inserted, rotation, and entries that outlive their map.
//!
//! libFuzzer's build has small pages, so that few records make a deep index; the replay has the map's own.

mod decode;
mod pair;
mod walk;

use std::cmp::Reverse;

use arbitrary::{Arbitrary, Result, Unstructured};
use epoch_arena::{ArenaMap, ArenaPool, MapError, OwnedEntry};

use crate::faulty::{Faults, Faulty};
use crate::setup::{Len, MemorySetup, bytes_of};
use decode::{Line, bounds, key, version};
use pair::{Pair, owned};

/// Runs the program of `data`.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(mut world) = World::new(&mut input) else {
        return;
    };
    while !input.is_empty() && world.step(&mut input).is_ok() {}
    world.end();
}

struct World {
    faults: Faults,
    /// The youngest is the last.
    maps: Vec<Pair>,
    /// Entries that hold the maps they come from, and what they are.
    owned: Vec<(OwnedEntry, Line, Vec<u8>)>,
    seed: u64,
}

impl World {
    fn new(input: &mut Unstructured<'_>) -> Result<Self> {
        let setup = MemorySetup::arbitrary(input)?;
        let (source, faults) = Faulty::new(setup.plan);
        let pool = ArenaPool::builder().memory(setup.build(source)).build();
        let map = pool.map(|pool| ArenaMap::new(&pool));
        let Ok(Ok(map)) = map else {
            return Err(arbitrary::Error::IncorrectFormat); // no memory to begin with
        };
        Ok(Self {
            faults,
            maps: vec![Pair::new(map)],
            owned: Vec::new(),
            seed: 0,
        })
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [code, which]: [u8; 2] = input.arbitrary()?;
        let last = self.maps.len() - 1;
        // The youngest, mostly.
        let at = if which < 200 {
            last
        } else {
            usize::from(which) % self.maps.len()
        };
        let pair = &mut self.maps[at];
        self.seed += 1;
        match code % 16 {
            0..=4 => {
                let (key, version) = (key(input)?, version(input)?);
                let value = bytes_of(self.seed, Len::arbitrary(input)?.0 % 3_000);
                pair.insert(&self.faults, key, version, value);
            }
            5 | 6 => pair.insert_run(&self.faults, input)?,
            7 | 8 => pair.get(&key(input)?, version(input)?),
            9 => pair.scan(&bounds(input)?, version(input)?, input.arbitrary()?),
            10..=12 => walk::walk(pair, &self.faults, input)?,
            13 => {
                if let Some(entry) = pair.map.get(&key(input)?, version(input)?) {
                    let (line, value) = owned(entry);
                    self.owned.push((entry.to_owned(), line, value));
                }
            }
            14 => self.rotate(at),
            _ if at < last => self.maps.remove(at).check(),
            _ => drop(self.owned.pop()),
        }
        Ok(())
    }

    fn rotate(&mut self, at: usize) {
        let pair = &mut self.maps[at];
        match pair.map.rotate() {
            Ok(next) => {
                assert!(!pair.rotated && next.epoch() > pair.map.epoch());
                pair.rotated = true;
                self.maps.push(Pair::new(next));
            }
            Err(MapError::Rotated) => assert!(pair.rotated),
            Err(_) => assert!(!pair.rotated), // no memory
        }
    }

    fn end(self) {
        for pair in self.maps {
            pair.check();
        }
        for (entry, (key, Reverse(version)), value) in self.owned {
            assert_eq!((entry.key(), entry.version()), (&key[..], version));
            assert_eq!(entry.value(), value);
        }
        assert_eq!(self.faults.outstanding(), 0, "memory never came back");
    }
}
