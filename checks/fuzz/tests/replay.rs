//! The programs as ordinary tests: those that libFuzzer has found worth keeping, and some at random.

use std::path::Path;

use epoch_arena_fuzz::{arithmetic, block, keys, map, ops, replay};

/// Runs the corpus of a target, then random programs of the given number and longest length.
fn replay(name: &str, run: fn(&[u8]), programs: u64, longest: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let files = replay::files(&corpus).expect("the corpus is there");
    assert!(!files.is_empty());
    for file in files {
        // If the program fails, this line names it.
        println!("{}", file.display());
        run(&std::fs::read(&file).expect("a readable file"));
    }
    for seed in 0..programs {
        println!("{name}: random program {seed}");
        let len = replay::mix(seed) as usize % longest;
        run(&replay::random(seed, len));
    }
}

#[test]
fn pools_agree_with_their_model() {
    replay("ops", ops::run, 2000, 500);
}

#[test]
fn arithmetic_agrees_with_its_model() {
    replay("arithmetic", arithmetic::run, 2000, 500);
}

#[test]
fn blocks_agree_with_their_model() {
    replay("block", block::run, 1000, 300);
}

#[test]
fn keys_order_and_hash_as_their_bytes_do() {
    replay("keys", keys::run, 300, 300);
}

#[test]
fn maps_agree_with_their_model() {
    replay("map", map::run, 1000, 500);
}
