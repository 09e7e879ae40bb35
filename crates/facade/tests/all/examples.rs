//! Every example is in the code map, is run by `cargo xtask test`, and has its tests run.

use std::fs;

use crate::coverage::{read, root};

/// The examples: files, and folders with a `main.rs`.
fn examples() -> Vec<String> {
    let dir = root().join("crates/facade/examples");
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_example = |path: &std::path::PathBuf| path.is_file() || path.join("main.rs").is_file();
    let names = paths.filter(is_example).map(|path| {
        let name = path.file_stem().unwrap();
        name.to_str().unwrap().to_owned()
    });
    names.collect()
}

#[test]
fn every_example_is_mapped_run_and_tested() {
    let map = read(&root().join("docs/architecture.md"));
    let xtask = read(&root().join("xtask/src/test.rs"));
    let manifest = read(&root().join("crates/facade/Cargo.toml"));
    let index = read(&root().join("crates/facade/src/guide/index.md"));
    let examples = examples();
    for name in &examples {
        assert!(map.contains(&format!("`examples/{name}")), "{name}: map");
        assert!(index.contains(&format!("`{name}`")), "{name}: guide");
        assert!(
            xtask.contains(&format!("example(\"{name}\"")),
            "{name}: xtask"
        );
        let is_tested = manifest.contains(&format!("name = \"{name}\"\ntest = true"));
        assert!(is_tested || name == "quick_start", "{name}: tests"); // it has none
    }
    assert!(examples.len() > 5, "{examples:?}: no test");
}
