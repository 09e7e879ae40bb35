//! What must not compile is a doctest beside the code; whether it is there is tested here. And no test is ignored.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below `dir`.
pub(crate) fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the tests below `dirs`.
pub(crate) fn tests(dirs: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    dirs.iter()
        .for_each(|dir| sources(&root().join(dir), &mut files));
    let mut names = Vec::new();
    for file in files {
        let mut is_test = false;
        for line in read(&file).lines().map(str::trim) {
            if line == "#[test]" {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ") {
                if is_test {
                    let name = rest.split(|c: char| c != '_' && !c.is_alphanumeric());
                    names.extend(name.take(1).map(str::to_owned));
                }
                is_test = false;
            }
        }
    }
    names
}

/// Whether `file` has a doctest that must fail to compile with `code` and contains `line`.
fn refused(file: &str, code: &str, line: &str) -> bool {
    let text = read(&root().join("crates").join(file));
    let docs = text
        .lines()
        .filter_map(|text| text.trim().strip_prefix("///"));
    let docs = docs.map(str::trim).collect::<Vec<_>>().join("\n");
    // Odd parts of what the fences divide are code, each with its attributes on the first line.
    let mut blocks = docs.split("```").skip(1).step_by(2);
    blocks.any(|block| match block.split_once('\n') {
        Some((attributes, code_block)) => {
            attributes == format!("compile_fail,{code}") && code_block.lines().any(|l| l == line)
        }
        None => false,
    })
}

fn all_refused(expected: &[(&str, &str, &str)]) {
    for (file, code, line) in expected {
        assert!(
            refused(file, code, line),
            "{file} has no doctest compile_fail,{code} with the line {line:?}"
        );
    }
}

/// Peer bug 3: reset or drop while what they gave lives, from safe code.
#[test]
fn bug03_reset_and_drop_under_borrows_are_refused_by_doctests() {
    all_refused(&[
        ("block/src/block.rs", "E0502", "block.reset();"),
        ("block/src/block.rs", "E0505", "drop(block);"),
        ("arena/src/arena.rs", "E0502", "arena.reset();"),
        ("arena/src/arena.rs", "E0505", "drop(arena);"),
    ]);
}

/// Peer bug 16: a reset, a drop or a move of the memory while a collection lives in it.
#[test]
fn bug16_a_reset_under_an_allocator_is_refused_by_doctests() {
    let taken = "let taken: Block = std::mem::replace(&mut *lent, other);";
    all_refused(&[
        ("block/src/allocator.rs", "E0502", "block.reset();"),
        ("block/src/allocator.rs", "E0505", "drop(block);"),
        ("block/src/borrowed.rs", "E0596", taken),
        ("arena/src/allocator.rs", "E0502", "arena.reset();"),
        ("arena/src/allocator.rs", "E0505", "drop(arena);"),
    ]);
}

/// Peer bug 7: a reference that outlives its guard, lease or key.
#[test]
fn bug07_references_that_outlive_their_guard_are_refused_by_doctests() {
    all_refused(&[
        ("pool/src/guard.rs", "E0505", "drop(guard);"),
        ("pool/src/guard.rs", "E0505", "drop(yours);"),
        ("pool/src/guard.rs", "E0502", "guard.refresh();"),
        ("pool/src/lease.rs", "E0505", "drop(lease);"),
        ("key/src/key_ref.rs", "E0505", "drop(guard);"),
    ]);
}

/// A test that never runs is none. (What Miri cannot run may be ignored there.)
#[test]
fn no_test_is_ignored() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let ignore = ["#[", "ignore"].concat();
    for file in files {
        assert!(
            !read(&file).contains(&ignore),
            "{} ignores a test",
            file.display()
        );
    }
}
