//! What a step needs beyond cargo: probed, installed once if that is cheap, else named in the table.

use std::collections::HashMap;

use super::lint::{CROSS, OLDEST};
use super::runner::Runner;
use crate::stage::Stage;

/// The toolchain of what stable cannot do.
pub const NIGHTLY: &str = "nightly";

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

/// Probes; then installs and probes again, where we may.
fn look(need: Need, runner: &mut Runner) -> Result<Option<Missing>, String> {
    if need == Need::Linux {
        let here = std::env::consts::OS;
        let command = "run it on Linux".to_owned();
        return Ok((here != "linux").then(|| Missing {
            why: format!("this is {here}"),
            command,
        }));
    }
    if works(need, runner)? {
        return Ok(None);
    }
    let (install, ours) = install(need);
    if ours {
        let words: Vec<&str> = install.split(' ').collect();
        runner.run(Stage::program("install", words[0].as_ref(), &words[1..]))?;
        if works(need, runner)? {
            return Ok(None);
        }
    }
    let tried = if ours {
        ", and cannot be installed"
    } else {
        ""
    };
    Ok(Some(Missing {
        why: format!("{} is not there{tried}", name(need)),
        command: install,
    }))
}

fn works(need: Need, runner: &mut Runner) -> Result<bool, String> {
    let nightly = format!("+{NIGHTLY}");
    let probe: &[&str] = match need {
        Need::Linux => return Ok(true),
        Need::Nightly => &["cargo", &nightly, "--version"],
        Need::RustSrc => &["rustc", &nightly, "--print", "sysroot"],
        Need::Targets => &["rustup", "target", "list", "--installed"],
        Need::Oldest => &["cargo", OLDEST, "--version"],
        Need::Miri => &["cargo", &nightly, "miri", "--version"],
        Need::CargoHack => &["cargo", "hack", "--version"],
        Need::CargoDeny => &["cargo", "deny", "--version"],
        Need::Valgrind => &["valgrind", "--version"],
        Need::Prlimit => &["prlimit", "--version"],
    };
    let ran = runner.run(Stage::program("probe", probe[0].as_ref(), &probe[1..]))?;
    if need == Need::RustSrc {
        // The component has no command; its lock file tells that it is there.
        let root = ran.text.lines().last().unwrap_or_default();
        let lock = std::path::Path::new(root).join("lib/rustlib/src/rust/library/Cargo.lock");
        return Ok(ran.success && lock.exists());
    }
    if need == Need::Targets {
        let has = |target: &&str| ran.text.lines().any(|line| line == *target);
        return Ok(ran.success && CROSS.iter().all(has));
    }
    Ok(ran.success)
}

/// The command that installs it, and whether it is ours to run: registries yes, the system's packages no.
fn install(need: Need) -> (String, bool) {
    match need {
        Need::Linux => (String::new(), false),
        Need::Nightly => (
            format!("rustup toolchain install {NIGHTLY} --profile minimal"),
            true,
        ),
        Need::RustSrc => (
            format!("rustup component add --toolchain {NIGHTLY} rust-src"),
            true,
        ),
        Need::Targets => (format!("rustup target add {}", CROSS.join(" ")), true),
        Need::Oldest => (
            format!(
                "rustup toolchain install {} --profile minimal",
                &OLDEST[1..]
            ),
            true,
        ),
        Need::Miri => (
            format!("rustup component add --toolchain {NIGHTLY} miri rust-src"),
            true,
        ),
        Need::CargoHack => ("cargo install cargo-hack --locked".into(), true),
        Need::CargoDeny => ("cargo install cargo-deny --locked".into(), in_ci()),
        Need::Valgrind => ("apt-get install valgrind".into(), false),
        Need::Prlimit => ("apt-get install util-linux".into(), false),
    }
}

/// Whether this is a machine that nobody waits at.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

fn name(need: Need) -> &'static str {
    match need {
        Need::Linux => "Linux",
        Need::Nightly => "the nightly toolchain",
        Need::RustSrc => "nightly's rust-src",
        Need::Targets => "the standard library for other targets",
        Need::Oldest => "the oldest toolchain",
        Need::Miri => "nightly's Miri",
        Need::CargoHack => "cargo-hack",
        Need::CargoDeny => "cargo-deny",
        Need::Valgrind => "valgrind",
        Need::Prlimit => "prlimit",
    }
}
