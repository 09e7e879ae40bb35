//! Commands for the package of seeded bugs.

/// Its manifest, from the workspace's root.
pub const MANIFEST: &str = "checks/seeded/Cargo.toml";

/// What a `cargo test` gets to run the bug `test` of the test target `target`.
pub fn test<'a>(target: &'a str, test: &'a str) -> Vec<&'a str> {
    vec!["--manifest-path", MANIFEST, "--test", target, test]
}
