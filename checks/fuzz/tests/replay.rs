//! The programs as ordinary tests: those that libFuzzer has found worth keeping, and some at random.

use std::path::Path;

use epoch_arena_fuzz::{arithmetic, block, keys, ops, replay};

/// Runs the corpus of a target, then random programs of the given number and longest length.
fn replay(name: &str, run: fn(&[u8]), programs: u64, longest: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let files = replay::files(&corpus).expect("the corpus is there");
    assert!(!files.is_empty());
    for file in files {
        // For whoever sees it fail: the runner shows the last line.
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
fn m5_m6_m7_m8_m11_ops() {
    replay("ops", ops::run, 2000, 500);
}

#[test]
fn m1_arithmetic() {
    replay("arithmetic", arithmetic::run, 2000, 500);
}

#[test]
fn m1_m2_block() {
    replay("block", block::run, 1000, 300);
}

#[test]
fn m10_bug24_keys() {
    replay("keys", keys::run, 300, 300);
}
