//! Time to sort resolved keys, and to find one among them.

use std::hint::black_box;

use epoch_arena::{ArenaPool, KeyRef, KeyWriter, MAX_LEN, search_keys, sort_keys};

use crate::clock;
use crate::groups::{Lane, race};
use crate::shuffle::{distinct, shuffle};
use crate::wire::{Bench, Job, Keys};

/// Keys that are looked for in one pass.
const SEARCHES: usize = 1 << 16;

/// Measures the job's contestants.
pub fn run(job: &Job, keys: &'static Keys) {
    // Of equal ones, a sort would have less to do.
    let keys = distinct(keys);
    let resolved = in_a_pool(&keys);
    let slices: Vec<&'static [u8]> = resolved.iter().map(KeyRef::as_bytes).collect();
    if job.bench == Bench::Sort {
        return race(job, "sort-slices", "ns/key", |id| {
            Some(match id {
                "sort-slices" => sort(slices.clone(), <[_]>::sort_unstable),
                "sort-key-refs" => sort(resolved.clone(), <[_]>::sort_unstable),
                "sort-keys" => sort(resolved.clone(), sort_keys),
                _ => return None,
            })
        });
    }
    let mut wanted = keys;
    shuffle(&mut wanted);
    wanted.truncate(SEARCHES);
    race(job, "sort-slices", "ns/key", |id| {
        Some(match id {
            "sort-slices" => search(slices.clone(), wanted.clone(), |sorted, key| {
                sorted.binary_search(&key).is_ok()
            }),
            "sort-key-refs" => search(resolved.clone(), wanted.clone(), |sorted, key| {
                sorted.binary_search(&KeyRef::new(key)).is_ok()
            }),
            "sort-keys" => search(resolved.clone(), wanted.clone(), |sorted, key| {
                search_keys(sorted, key).is_ok()
            }),
            _ => return None,
        })
    });
}

/// The same keys, put into a pool and resolved. Pool and guard stay for good, and so do the bytes.
fn in_a_pool(keys: &[&[u8]]) -> Vec<KeyRef<'static>> {
    let pool = Box::leak(Box::new(
        ArenaPool::builder().build().expect("the defaults build"),
    ));
    let guard = Box::leak(Box::new(pool.pin()));
    let writer = KeyWriter::new().max_len(MAX_LEN);
    keys.iter()
        .map(|key| {
            let key = writer.copy(key, guard).expect("no budget is set");
            key.resolve(guard).expect("its epoch is current")
        })
        .collect()
}

fn sort<T: Copy + Ord + 'static>(unsorted: Vec<T>, sort: fn(&mut [T])) -> Lane {
    let mut work = unsorted.clone();
    Box::new(move || {
        work.copy_from_slice(&unsorted);
        let (nanos, ()) = clock::time(|| sort(&mut work));
        assert!(work.is_sorted(), "the keys are not in order");
        nanos / work.len() as f64
    })
}

/// `finds` says whether a key is there.
fn search<T: Copy + Ord + 'static>(
    mut sorted: Vec<T>,
    wanted: Vec<&'static [u8]>,
    finds: impl Fn(&[T], &'static [u8]) -> bool + 'static,
) -> Lane {
    sorted.sort_unstable();
    Box::new(move || {
        let (nanos, found) = clock::time(|| {
            let found = |key: &&'static [u8]| finds(&sorted, key);
            black_box(&wanted).iter().filter(|key| found(key)).count()
        });
        assert_eq!(found, wanted.len(), "each key is there");
        nanos / wanted.len() as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_once_and_the_same_after_the_pool() {
        let mut keys = Keys::default();
        for key in ["b", "a", "b", "", "c", "a"] {
            keys.push(key.as_bytes());
        }
        let keys = distinct(Box::leak(Box::new(keys)));
        let resolved = in_a_pool(&keys);
        assert!(
            resolved
                .iter()
                .map(KeyRef::as_bytes)
                .eq(keys.iter().copied())
        );
        let mut sorted = keys;
        sorted.sort_unstable();
        assert_eq!(sorted, [&b""[..], b"a", b"b", b"c"]);
    }

    #[test]
    fn what_is_sorted_is_in_order_and_found() {
        let keys = Box::leak(Box::new(crate::wire::KeySource::User.load(500).unwrap()));
        // Of equal ones, a sort would have less to do.
        let keys = distinct(keys);
        // Both assert it themselves.
        sort(in_a_pool(&keys), sort_keys)();
        search(in_a_pool(&keys), keys, |sorted, key| {
            search_keys(sorted, key).is_ok()
        })();
    }
}
