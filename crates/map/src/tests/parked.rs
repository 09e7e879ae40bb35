//! A writer that is suspended at any step, for ever as far as others can tell: readers see all that was
//! there, and writers of other leaves go on.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::map_of;
use crate::ArenaMap;
use crate::sync::Step;

type Hook = Box<dyn FnMut(Step)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// What this thread does at each step.
pub(crate) fn at(step: Step) {
    HOOK.with(|hook| {
        if let Ok(Some(hook)) = hook.try_borrow_mut().as_deref_mut() {
            hook(step);
        }
    });
}

pub(super) fn set_hook(hook: impl FnMut(Step) + 'static) {
    HOOK.with(|place| *place.borrow_mut() = Some(Box::new(hook)));
}

/// Suspends this thread the `turn`-th time that it is at `step`.
fn park_at(step: Step, turn: usize, told: Sender<bool>, go_on: Receiver<()>) {
    let mut turns = 0;
    set_hook(move |now| {
        if now == step {
            turns += 1;
            if turns == turn {
                let _ = told.send(true);
                let _ = go_on.recv_timeout(Duration::from_secs(300));
            }
        }
    });
}

/// Numbers of one stride share more than those of two do: their leaf gets other heads when it is split.
fn key(n: u64) -> [u8; 24] {
    let mut key = *b"........ and then ......";
    key[..8].copy_from_slice(&(n / STRIDE).to_be_bytes());
    key[16..].copy_from_slice(&(n % STRIDE).to_be_bytes());
    key
}

fn number(entry: crate::Entry<'_>) -> u64 {
    let word = |at: usize| u64::from_be_bytes(entry.key()[at..at + 8].try_into().unwrap());
    word(0) * STRIDE + word(16)
}

const STRIDE: u64 = 1 << 16;
const BEFORE: u64 = if cfg!(miri) { 30 } else { 200 };

/// What another thread must be able to do meanwhile; `busy` is the number that the writer was at.
fn others_go_on(map: &ArenaMap, busy: u64) {
    for n in 0..BEFORE {
        assert!(map.get(&key(n * STRIDE), u64::MAX).is_some(), "{n}");
        assert!(map.get(&key(n * STRIDE + 5), u64::MAX).is_none(), "{n}");
        // A half that the index does not know yet may begin with smaller keys than this.
        let from = map.range(&key(n * STRIDE)[..]..).next().map(number);
        assert_eq!(from, Some(n * STRIDE));
    }
    let there = |found: Vec<u64>| {
        let mut old = found.iter().filter(|n| *n % STRIDE == 0);
        assert!((0..BEFORE).all(|n| old.next() == Some(&(n * STRIDE))));
        assert!(found.is_sorted());
    };
    there(map.iter().map(number).collect());
    let mut backwards: Vec<u64> = map.iter().rev().map(number).collect();
    backwards.reverse();
    there(backwards);
    // Leaves far away from the one that is locked take many records, and split.
    for n in 0..if cfg!(miri) { 5 } else { 60 } {
        for far in [busy.wrapping_sub(60 * STRIDE), busy + 60 * STRIDE] {
            let key = key(far.min(BEFORE * STRIDE) / STRIDE * STRIDE + 7 + n);
            match map.insert(&key, 1, b"") {
                Ok(()) | Err(crate::InsertError::Exists) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(map.get(&key, 1).is_some());
        }
    }
}

/// Runs a writer until it is suspended; `false` if it never gets there.
fn one(step: Step, turn: usize) -> bool {
    let map = Arc::new(map_of(2, 4));
    for n in 0..BEFORE {
        map.insert(&key((n * 37 % BEFORE) * STRIDE), 0, b"")
            .unwrap();
    }
    let (told, parked) = channel();
    let (go_on, resume) = channel();
    let busy = Arc::new(Mutex::new(0));
    let writer = std::thread::spawn({
        let (map, busy) = (map.clone(), busy.clone());
        move || {
            park_at(step, turn, told.clone(), resume);
            for n in 0..if cfg!(miri) { 20 } else { 200 } {
                // Around the middle.
                let n = BEFORE / 2 * STRIDE + 1 + n * 7_919 % 1_000;
                *busy.lock().unwrap() = n;
                map.insert(&key(n), 0, b"").unwrap();
            }
            let _ = told.send(false);
        }
    });
    let is_parked = parked.recv_timeout(Duration::from_secs(300)).unwrap();
    let busy = *busy.lock().unwrap();
    let other = std::thread::spawn({
        let map = map.clone();
        move || others_go_on(&map, busy)
    });
    // By time, not by a join, as the test is to end if it hangs.
    let started = std::time::Instant::now();
    while !other.is_finished() && started.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let finished = other.is_finished();
    drop(go_on);
    assert!(
        finished,
        "a writer that is suspended at {step:?} holds up others"
    );
    other.join().unwrap();
    writer.join().unwrap();
    assert!(map.iter().map(|entry| entry.key()).is_sorted());
    is_parked
}

#[test]
fn a_writer_that_is_suspended_at_any_step_holds_up_its_leaf_only() {
    let steps = [
        Step::Locked,
        Step::SlotStored,
        Step::Linked,
        Step::FillStored,
        Step::HeadStored,
        Step::Split,
        Step::ChildMoved,
        Step::ChildrenLinked,
    ];
    for step in steps {
        let turns: &[usize] = if cfg!(miri) { &[1] } else { &[1, 2, 3, 5, 8] };
        let parked = turns.iter().filter(|turn| one(step, **turn)).count();
        assert!(parked > 0 || cfg!(miri), "the writer was never at {step:?}");
    }
}

/// A reader knows which records a leaf has; then the leaf gets a newer and an older version of the key, the older one
/// in a leaf of its own behind it, whose link is not yet a version old. There was no moment with the older one only.
#[test]
fn a_get_does_not_find_an_older_version_without_the_newer_one() {
    let map = Arc::new(map_of(2, 4));
    map.insert(b"a", 0, b"").unwrap();
    let (told, parked) = channel();
    let (go_on, resume) = channel();
    let writer = {
        let map = map.clone();
        move || {
            park_at(Step::Linked, 1, told, resume);
            map.insert(b"key", 2, b"").unwrap(); // the leaf is full now
            map.insert(b"key", 1, b"").unwrap();
        }
    };
    let (mut writer, thread) = (Some(writer), Arc::new(Mutex::new(None)));
    let started = thread.clone();
    set_hook(move |step| {
        if let (Step::FillLoaded, Some(writer)) = (step, writer.take()) {
            *started.lock().unwrap() = Some(std::thread::spawn(writer));
            assert!(parked.recv_timeout(Duration::from_secs(300)).unwrap());
        }
    });
    let found = map.get(b"key", u64::MAX).map(|entry| entry.version());
    drop(go_on);
    thread.lock().unwrap().take().unwrap().join().unwrap();
    assert!(matches!(found, None | Some(2)), "{found:?}");
}
