//! The tools that a step needs beyond cargo: probed, installed once if that is cheap, else named in the table.

use std::collections::HashMap;

use super::{Command, Runner};

/// The toolchain for the steps that stable cannot do.
pub const NIGHTLY: &str = "nightly";
/// The `rust-version` of the workspace, as rustup takes it.
pub const OLDEST: &str = "+1.85";
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

/// The findings so far; each tool is probed, and its installation tried, once in a run.
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

/// The name of a tool, the command that probes it, the one that installs it, and whether xtask may run that: from
/// registries yes, slow ones only in CI, the system's packages no.
fn facts(need: Need) -> (&'static str, String, String, bool) {
    let facts = |name, probe: &str, install: &str, ours| (name, probe.to_owned(), install.to_owned(), ours);
    let in_ci = std::env::var_os("CI").is_some();
    let tool = |name: &'static str, ours| {
        let probe = format!("{} --version", name.replacen('-', " ", 1));
        (name, probe, format!("cargo install {name} --locked"), ours)
    };
    let toolchain = |name, toolchain: &str| {
        let install = format!("rustup toolchain install {toolchain} --profile minimal");
        (name, format!("cargo +{toolchain} --version"), install, true)
    };
    let component = |name, probe: &str, parts: &str| {
        (name, probe.to_owned(), format!("rustup component add --toolchain {NIGHTLY} {parts}"), true)
    };
    let installed = format!("rustup component list --toolchain {NIGHTLY} --installed");
    match need {
        Need::Linux => facts("Linux", "true", "run it on Linux", false),
        Need::Nightly => toolchain("the nightly toolchain", NIGHTLY),
        Need::Oldest => toolchain("the oldest toolchain", &OLDEST[1..]),
        Need::RustSrc => component("nightly's rust-src", &installed, "rust-src"),
        Need::Miri => component("nightly's Miri", &format!("cargo +{NIGHTLY} miri --version"), "miri rust-src"),
        Need::Targets => {
            let install = format!("rustup target add {}", CROSS.join(" "));
            facts("the standard library for other targets", "rustup target list --installed", &install, true)
        }
        Need::CargoHack => tool("cargo-hack", true),
        Need::CargoDeny => tool("cargo-deny", in_ci),
        Need::CargoMutants => tool("cargo-mutants", in_ci),
        Need::CargoSemverChecks => tool("cargo-semver-checks", in_ci),
        Need::Valgrind => facts("valgrind", "valgrind --version", "apt-get install valgrind", false),
        Need::Prlimit => facts("prlimit", "prlimit --version", "apt-get install util-linux", false),
    }
}

/// Probes; then installs and probes again, where that is allowed.
fn look(need: Need, runner: &mut Runner) -> Result<Option<Missing>, String> {
    let (name, probe, install, ours) = facts(need);
    // What the probe must print.
    let lines: &[&str] = match need {
        Need::RustSrc => &["rust-src"],
        Need::Targets => &CROSS,
        _ => &[],
    };
    let works = |runner: &mut Runner| -> Result<bool, String> {
        if need == Need::Linux {
            return Ok(std::env::consts::OS == "linux");
        }
        let ran = runner.run(&Command::program(&probe))?;
        Ok(ran.success && lines.iter().all(|wanted| ran.text.lines().any(|line| line == *wanted)))
    };
    if works(runner)? || (ours && runner.run(&Command::program(&install))?.success && works(runner)?) {
        return Ok(None);
    }
    let tried = if ours { ", and cannot be installed" } else { "" };
    Ok(Some(Missing { why: format!("{name} is not there{tried}"), command: install }))
}
