//! What a step needs beyond cargo: probed, installed once if that is cheap, else named in the table.

use std::collections::HashMap;

use super::{Command, Runner};

/// The toolchain of what stable cannot do.
pub const NIGHTLY: &str = "nightly";
/// The `rust-version` of the workspace, as rustup takes it.
pub const OLDEST: &str = "+1.89";
/// Targets that the hosted CI runs the tests on; here it is seen that they compile.
pub const CROSS: [&str; 3] = ["aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"];

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Linux, whose sanitizers and limits these are.
    Linux,
    /// The nightly toolchain.
    Nightly,
    /// The sources of the standard library, to build it anew.
    RustSrc,
    /// The standard library for the targets of [`CROSS`].
    Targets,
    /// The oldest toolchain that is promised.
    Oldest,
    /// Miri.
    Miri,
    /// `cargo hack`.
    CargoHack,
    /// `cargo deny`: minutes to build, so it is left to the user, but for CI.
    CargoDeny,
    /// `cargo mutants`, likewise.
    CargoMutants,
    /// `cargo semver-checks`, likewise.
    CargoSemverChecks,
    /// `valgrind`, from the system's packages.
    Valgrind,
    /// `prlimit`, from the system's packages.
    Prlimit,
}

/// Why a step is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The reason.
    pub why: String,
    /// The command that would help, if there is one.
    pub command: String,
}

/// What was found out so far; each tool is probed, and its installation tried, once in a run.
#[derive(Default)]
pub struct Needs {
    known: HashMap<Need, Option<Missing>>,
}

impl Needs {
    /// The first of `needs` that cannot be met.
    pub fn meet(&mut self, needs: &[Need], runner: &mut Runner) -> Result<Option<Missing>, String> {
        for need in needs {
            if !self.known.contains_key(need) {
                let missing = look(*need, runner)?;
                self.known.insert(*need, missing);
            }
            if let Some(Some(missing)) = self.known.get(need) {
                return Ok(Some(missing.clone()));
            }
        }
        Ok(None)
    }
}

/// A tool's name, the command that probes it, the one that installs it, and whether that is ours to run: registries yes,
/// what takes minutes only in CI, the system's packages no.
fn facts(need: Need) -> (&'static str, String, String, bool) {
    let in_ci = std::env::var_os("CI").is_some();
    let tool =
        |name: &'static str, ours| (name, format!("{name} --version"), format!("cargo install {name} --locked"), ours);
    let toolchain = |name, toolchain: &str| {
        (
            name,
            format!("cargo +{toolchain} --version"),
            format!("rustup toolchain install {toolchain} --profile minimal"),
            true,
        )
    };
    match need {
        Need::Linux => ("Linux", "true".into(), "run it on Linux".into(), false),
        Need::Nightly => toolchain("the nightly toolchain", NIGHTLY),
        Need::Oldest => toolchain("the oldest toolchain", &OLDEST[1..]),
        Need::RustSrc => (
            "nightly's rust-src",
            format!("rustc +{NIGHTLY} --print sysroot"),
            format!("rustup component add --toolchain {NIGHTLY} rust-src"),
            true,
        ),
        Need::Miri => (
            "nightly's Miri",
            format!("cargo +{NIGHTLY} miri --version"),
            format!("rustup component add --toolchain {NIGHTLY} miri rust-src"),
            true,
        ),
        Need::Targets => (
            "the standard library for other targets",
            "rustup target list --installed".into(),
            format!("rustup target add {}", CROSS.join(" ")),
            true,
        ),
        Need::CargoHack => tool("cargo-hack", true),
        Need::CargoDeny => tool("cargo-deny", in_ci),
        Need::CargoMutants => tool("cargo-mutants", in_ci),
        Need::CargoSemverChecks => tool("cargo-semver-checks", in_ci),
        Need::Valgrind => ("valgrind", "valgrind --version".into(), "apt-get install valgrind".into(), false),
        Need::Prlimit => ("prlimit", "prlimit --version".into(), "apt-get install util-linux".into(), false),
    }
}

/// Probes; then installs and probes again, where we may.
fn look(need: Need, runner: &mut Runner) -> Result<Option<Missing>, String> {
    let (name, probe, install, ours) = facts(need);
    let works = |runner: &mut Runner| -> Result<bool, String> {
        if need == Need::Linux {
            return Ok(std::env::consts::OS == "linux");
        }
        // `cargo-mutants` and its like want the name of the subcommand in between.
        let probe = match probe.strip_prefix("cargo-").and_then(|rest| rest.split_once(' ')) {
            Some((tool, _)) => Command::program(&format!("cargo {tool} --version")),
            None => Command::program(&probe),
        };
        let ran = runner.run(&probe)?;
        let has = |target: &&str| ran.text.lines().any(|line| line == *target);
        Ok(ran.success
            && match need {
                // The component has no command; its lock file tells that it is there.
                Need::RustSrc => {
                    let root = ran.text.lines().last().unwrap_or_default();
                    std::path::Path::new(root).join("lib/rustlib/src/rust/library/Cargo.lock").exists()
                }
                Need::Targets => CROSS.iter().all(has),
                _ => true,
            })
    };
    if works(runner)? {
        return Ok(None);
    }
    if ours {
        runner.run(&Command::program(&install))?;
        if works(runner)? {
            return Ok(None);
        }
    }
    let tried = if ours { ", and cannot be installed" } else { "" };
    Ok(Some(Missing { why: format!("{name} is not there{tried}"), command: install }))
}
