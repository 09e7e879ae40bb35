//! `cargo xtask test`: every test there is.

use crate::programs;
use crate::stage::{Stage, run_all};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb.
pub fn run(_args: Args) -> Result<(), String> {
    run_all(stages())
}

/// The stages, in the order in which a failure says most.
pub fn stages() -> Vec<Stage> {
    let mut stages = vec![
        unit_and_integration(),
        documentation(),
        block_without_std(),
        block_without_std_as_allocator(),
        allocators(),
        features(),
        programs::replay(),
        models(),
        counted(),
    ];
    stages.extend(examples());
    // Last, as it needs what all of the above has fetched.
    stages.push(newcomer());
    stages
}

/// What swaps our atomics for loom's, and crossbeam-epoch's as well. (`crossbeam_sanitize` makes its
/// bags small.)
pub const LOOM: &str = "--cfg epoch_arena_loom --cfg crossbeam_loom --cfg crossbeam_sanitize";

/// Unit and integration tests of every package, and that the examples compile.
pub fn unit_and_integration() -> Stage {
    let arguments = [
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
    ];
    Stage::cargo("unit and integration", &arguments)
}

/// Every snippet of the documentation, those that must not compile included.
pub fn documentation() -> Stage {
    Stage::cargo("documentation", &["test", "--workspace", "--doc"])
}

/// The pool's tests of what `tracing` and `serde` are told; and, with every feature on, those of the calls that
/// tell it. The rest is the same code as in the first stage.
pub fn features() -> Stage {
    let arguments = [
        "test",
        "--package",
        "epoch-arena-pool",
        "--all-features",
        "--test",
        "all",
        "--",
        "traced",
        "serialised",
        "advance",
        "budget",
        "callbacks",
        "leases",
    ];
    Stage::cargo("features on", &arguments)
}

/// The README's programs as new crates: by this very program, as Windows does not let cargo replace one that runs.
fn newcomer() -> Stage {
    match std::env::current_exe() {
        Ok(this) => Stage::program("newcomer", this.as_os_str(), &["newcomer"]),
        Err(_) => Stage::cargo("newcomer", &["xtask", "newcomer"]),
    }
}

/// The block crate on its own: without std, and without maps.
fn block_without_std() -> Stage {
    let arguments = [
        "test",
        "--package",
        "epoch-arena-block",
        "--no-default-features",
        "--lib",
    ];
    Stage::cargo("block without std", &arguments)
}

/// The same with the allocator. Built and not tested: the tests' packages would bring more features of
/// `allocator-api2`, and std.
fn block_without_std_as_allocator() -> Stage {
    let arguments = [
        "build",
        "--package",
        "epoch-arena-block",
        "--no-default-features",
        "--features",
        "allocator-api2",
        "--lib",
    ];
    Stage::cargo("allocator without std", &arguments)
}

/// Every test of the crates that are allocators by a feature, with it: those that need it, the other
/// ones again, and the documentation's.
fn allocators() -> Stage {
    let arguments = [
        "test",
        "--package",
        "epoch-arena-block",
        "--package",
        "epoch-arena-core",
        "--all-features",
    ];
    Stage::cargo("allocators", &arguments)
}

/// The loom models of each crate and those end to end, with their broken twins.
pub fn models() -> Stage {
    let arguments = [
        "test",
        "--profile",
        "model",
        "--lib",
        "--package",
        "epoch-arena-block",
        "--package",
        "epoch-arena-core",
        "--package",
        "epoch-arena-pool",
        "--",
        "models",
        "end_to_end",
    ];
    Stage::cargo("loom models", &arguments)
        .env("RUSTFLAGS", LOOM)
        // Flags of its own would rebuild everything in the shared directory, twice.
        .env("CARGO_TARGET_DIR", "target/loom")
}

/// Shared writes per put, counted by a library that counts them.
pub fn counted() -> Stage {
    let arguments = [
        "test",
        "--profile",
        "model",
        "--package",
        "epoch-arena",
        "--test",
        "all",
        "counted",
    ];
    Stage::cargo("shared writes, counted", &arguments)
        .env("RUSTFLAGS", crate::bench::COUNT)
        .env("CARGO_TARGET_DIR", "target/count")
}

/// The examples, run on small input; they check what they do and fail if it is wrong.
fn examples() -> Vec<Stage> {
    let example = |name: &'static str, of: &[&str], arguments: &[&str]| {
        let fixed = [&["run", "--quiet", "--example", name, "--package"], of].concat();
        Stage::cargo(name, &[&fixed[..], &["--"], arguments].concat())
    };
    let facade = ["epoch-arena"];
    let served = ["epoch-arena", "--features", "serde"];
    let block = ["epoch-arena-block", "--features", "allocator-api2"];
    vec![
        example("quick_start", &facade, &[]),
        example("memtable", &facade, &["20000"]),
        example("mvcc", &facade, &["5000"]),
        example("cache", &facade, &["10000"]),
        example("dedup", &facade, &["Cargo.lock"]),
        example("async_scan", &facade, &["Cargo.lock"]),
        example("parser", &block, &[]),
        example("serve_stats", &served, &["--self-test"]),
    ]
}
