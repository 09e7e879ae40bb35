//! YCSB's mixes. Their shapes are those of the public core workloads: A (half reads, half updates), B (19 reads to an
//! update), C (reads), E (20 short scans to an insert) and F (half reads, half read-modify-writes), each record asked for
//! as often as its rank in a Zipf distribution says.

use super::load::Load;
use super::{Map, Scan, Share};

/// One of YCSB's mixes.
pub struct Mix {
    /// Its letter.
    pub name: &'static str,
    /// Of 128 operations, those that read; the others write.
    reads: usize,
    /// Whether it scans and inserts, in place of reads and updates.
    scans: bool,
    /// Whether an update reads the record first.
    modifies: bool,
    /// One request in so many is made.
    pub part: usize,
    /// Tells its versions from those of other mixes.
    number: u64,
}

const fn mix(name: &'static str, reads: usize, number: u64) -> Mix {
    Mix {
        name,
        reads,
        scans: false,
        modifies: false,
        part: 1,
        number,
    }
}

/// In the order in which they are run: reads come before the updates that leave old versions behind.
pub const MIXES: [Mix; 5] = [
    mix("c", 128, 1),
    Mix {
        scans: true,
        part: 8,
        ..mix("e", 122, 2)
    },
    mix("b", 122, 3),
    mix("a", 64, 4),
    Mix {
        modifies: true,
        ..mix("f", 64, 5)
    },
];

/// Does a thread's part of a mix; the number of records that were found.
pub fn operate<M: Map>(map: &mut M, mix: &Mix, load: &Load, share: Share<'_>) -> u64 {
    let (mut found, value) = (0, &load.value);
    for (at, key) in share {
        // Below 128, and as good as random.
        let lot = (at as u32).wrapping_mul(0x9e37_79b9) as usize >> 25;
        if mix.scans {
            // An odd number, so that each of two threads inserts.
            let fresh = at / 21;
            if at % 21 == 0 && fresh < load.reserve.len() {
                map.put(load.reserve.at(fresh), value, 0);
            } else {
                found += map.scan(Scan::From(key, 1 + lot * 100 / 128));
            }
            continue;
        }
        let reads = lot < mix.reads;
        if reads || mix.modifies {
            found += map.get(key);
        }
        if !reads {
            map.put(key, value, mix.number << 40 | at as u64);
        }
    }
    found
}
