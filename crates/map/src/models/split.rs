//! A leaf is split beside a reader.

use std::sync::Arc;

use epoch_arena_block::twin::caught;

use super::{append, beside, fresh, has, leaf, model, newest, published, record};
use crate::sync::{AtomicU64, Ordering};
use crate::tree::entries::Entry;
use crate::tree::key::{Target, VERSIONS};
use crate::tree::leaf::Append;
use crate::tree::page::draft::Draft;
use crate::tree::page::{MOST_SLOTS, Page};
use crate::tree::place::Place;
use crate::tree::record::Record;

/// A leaf with 1 and 5 is split, and its free slot used again for `new`.
fn split_and_reuse(page: Page<'static>, new: u8) {
    page.lock().split(fresh(2));
    assert_eq!(append(page, new), Append::Done);
}

/// A reader looks for `key` meanwhile.
fn split_against_a_reader_of(key: u8, is_there: bool, new: u8) {
    model(move || {
        let page = leaf(2, &[1, 5]);
        let read = move || assert_eq!(has(page, key), is_there);
        beside(|| split_and_reuse(page, new), read);
        assert!([1, new, 5].into_iter().all(|key| has(page, key)));
    });
}

/// Where the new record is 0, the leaf is in order no longer, and the state is stored once more.
#[test]
fn split_against_a_reader_of_what_is_moved() {
    split_against_a_reader_of(5, true, 2);
    split_against_a_reader_of(5, true, 0);
}

#[test]
fn split_against_a_reader_of_what_stays() {
    split_against_a_reader_of(1, true, 2);
}

#[test]
fn split_against_a_reader_of_what_is_not_there() {
    split_against_a_reader_of(4, false, 2);
}

/// After that the heads begin to change: a reader that finds it so finds all that was done before.
#[test]
fn split_against_a_reader_that_comes_while_heads_are_written() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let write = || {
            split_and_reuse(page, 2);
            page.lock().write(|| ());
        };
        beside(write, move || assert!(has(page, 5)));
    });
}

/// The records are versions of one key, which the heads tell apart.
#[test]
fn split_of_versions_against_a_reader() {
    model(|| {
        let mut page = Draft::new(fresh(2), 0, Some(record(&[1], 9)));
        for (index, version) in [7, 5].into_iter().enumerate() {
            let record = record(&[1], version);
            page.put(index, record.head(VERSIONS), record);
        }
        let page = page.finish(None, VERSIONS, 0b11, true);
        let read = move || {
            let found = Place::unknown(page).get(&Target::new(&[1], 5));
            assert_eq!(found.map(Record::version), Some(5));
        };
        let write = || {
            page.lock().split(fresh(2));
            let newer = record(&[1], 8);
            assert_eq!(page.lock().append(&newer.target(), newer), Append::Done);
        };
        beside(write, read);
        assert_eq!(page.skip(), VERSIONS);
    });
}

/// The heads become versions, as the records that are left are of one key: a reader of an older version, who cannot trust
/// them, looks at each record.
#[test]
fn split_that_changes_the_heads_against_a_reader() {
    model(|| {
        let low = record(b"a key", 9);
        let page = Draft::new(fresh(2), 0, Some(low)).finish(None, 0, 0, true);
        for record in [low, record(b"a key", 7)] {
            assert_eq!(page.lock().append(&record.target(), record), Append::Done);
        }
        let read = move || {
            let found = Place::unknown(page).get(&Target::new(b"a key", 8));
            assert_eq!(found.map(Record::version), Some(7));
        };
        let write = || {
            page.lock().extend(fresh(2), record(b"a key", 5));
        };
        beside(write, read);
        assert_eq!(page.skip(), VERSIONS);
    });
}

/// A scan while the heads come to be of bytes further behind: heads of two kinds give no order.
#[test]
fn split_that_changes_the_heads_against_a_scan() {
    model(|| {
        let low = record(b"abcdefg1", 0);
        let page = Draft::new(fresh(2), 0, Some(low)).finish(None, 0, 0, true);
        for record in [low, record(b"abcdefg5", 0)] {
            assert_eq!(page.lock().append(&record.target(), record), Append::Done);
        }
        let read = move || {
            let mut records = [Entry::NONE; MOST_SLOTS];
            let (len, _) = page.copy_sorted(&mut records);
            let keys = records[..len].iter().filter_map(|entry| entry.record);
            assert!(keys.map(Record::key).eq([b"abcdefg1", b"abcdefg5"]));
        };
        let write = || {
            page.lock().extend(fresh(2), record(b"abcdefg9", 0));
        };
        beside(write, read);
    });
}

/// A walk that began before a slot was used again finds complete what is there now.
#[test]
fn split_against_a_walk() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let finds = move || {
            let mut found = false;
            page.for_each(|record| found |= record.key() == [2]);
            found
        };
        published(|| split_and_reuse(page, 2), finds);
    });
}

/// A leaf gets a newer version of a key, the leaf behind it begins with an older one, and then a split moves the newer
/// one: the leaf has the same slots as before. A reader does not take the older version for the newest.
#[test]
fn split_that_leaves_what_was_there_against_a_reader() {
    model(|| {
        let page = leaf(2, &[0]);
        let read = move || {
            let found = Place::unknown(page).get(&newest(&[1]));
            assert!(found.is_none_or(|record| record.version() == 6));
        };
        let write = || {
            let newer = record(&[1], 6);
            assert_eq!(page.lock().append(&newer.target(), newer), Append::Done);
            page.lock().extend(fresh(2), record(&[1], 5));
            page.lock().split(fresh(2));
        };
        beside(write, read);
        assert_eq!(page.fill(), 1);
    });
}

/// A record that is behind all others goes to a leaf of its own; a reader that has found it once finds it
/// complete, and again.
#[test]
fn split_that_extends_against_a_reader() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let publish = || {
            page.lock().extend(fresh(2), record(&[7], 0));
        };
        let finds = move || {
            let found = has(page, 7);
            assert!(!found || has(page, 7));
            found
        };
        published(publish, finds);
        assert!(has(page, 7));
    });
}

/// A scan beside a split has each record once.
#[test]
fn split_against_a_scan() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let read = move || {
            let (mut keys, mut at) = (Vec::new(), Some(page));
            while let Some(page) = at {
                let mut records = [Entry::NONE; MOST_SLOTS];
                let (len, next) = page.copy_sorted(&mut records);
                let records = records[..len].iter().filter_map(|entry| entry.record);
                keys.extend(records.map(|record| record.key()[0]));
                at = next;
            }
            keys.retain(|key| *key != 2);
            assert_eq!(keys, [1, 5]);
        };
        beside(|| split_and_reuse(page, 2), read);
    });
}

/// What a split may do wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The records go before the page that has them is linked.
    ForgetsFirst,
    /// The reader looks at `next` first.
    LooksBehindFirst,
    /// The reader does not look again.
    NoSecondLook,
    /// The slot is used again before the version ends.
    ReusesFirst,
    /// What is in a slot is stored Relaxed.
    RelaxedSlot,
    /// The state of the version that has begun is stored again, Relaxed.
    RelaxedState,
}

/// A leaf of two slots in small. Record 5 is moved to the right, and 2 put where it was.
fn small_split(mistake: Mistake) {
    let shared = Arc::new([0, 0b11, 0, 5].map(AtomicU64::new));
    let write = {
        let shared = shared.clone();
        move || {
            let [version, fill, next, slot] = &*shared;
            if mistake == Mistake::ForgetsFirst {
                fill.store(0b01, Ordering::Release);
                next.store(1, Ordering::Release);
            } else {
                next.store(1, Ordering::Release);
                fill.store(0b01, Ordering::Release);
            }
            let relaxed_by = |this| match mistake == this {
                true => Ordering::Relaxed,
                false => Ordering::Release,
            };
            let order = relaxed_by(Mistake::RelaxedSlot);
            if mistake == Mistake::ReusesFirst {
                slot.store(2, order);
                version.store(1, Ordering::Release);
            } else {
                version.store(1, Ordering::Release);
                slot.store(2, order);
            }
            version.store(1, relaxed_by(Mistake::RelaxedState));
            fill.store(0b11, Ordering::Release);
        }
    };
    let [version, fill, next, slot] = &*shared;
    let read = || loop {
        let seen = version.load(Ordering::Acquire);
        let (filled, right) = if mistake == Mistake::LooksBehindFirst {
            let right = next.load(Ordering::Acquire);
            (fill.load(Ordering::Acquire), right)
        } else {
            let filled = fill.load(Ordering::Acquire);
            (filled, next.load(Ordering::Acquire))
        };
        if right == 1 {
            break; // and finds it there
        }
        let found = filled & 0b10 != 0 && slot.load(Ordering::Acquire) == 5;
        if mistake != Mistake::NoSecondLook && version.load(Ordering::Relaxed) != seen {
            continue;
        }
        assert!(found, "it was there all the time");
        break;
    };
    beside(read, write);
}

#[test]
fn split_in_small() {
    loom::model(|| small_split(Mistake::None));
}

#[test]
fn split_twin_that_forgets_before_it_links_is_caught() {
    caught(|| small_split(Mistake::ForgetsFirst));
}

#[test]
fn split_twin_that_looks_behind_first_is_caught() {
    caught(|| small_split(Mistake::LooksBehindFirst));
}

#[test]
fn split_twin_without_a_second_look_is_caught() {
    caught(|| small_split(Mistake::NoSecondLook));
}

#[test]
fn split_twin_that_reuses_a_slot_too_early_is_caught() {
    caught(|| small_split(Mistake::ReusesFirst));
}

#[test]
fn split_twin_with_a_relaxed_slot_is_caught() {
    caught(|| small_split(Mistake::RelaxedSlot));
}

#[test]
fn split_twin_with_a_relaxed_state_is_caught() {
    caught(|| small_split(Mistake::RelaxedState));
}
