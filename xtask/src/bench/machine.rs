//! The circumstances of a figure: the machine, the compiler, the versions.

use std::fs;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The circumstances, for the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// Main memory.
    pub memory: String,
    /// The kernel, and its huge pages.
    pub system: String,
    /// The compiler and how it was called.
    pub compiler: String,
    /// How much was measured: `quick` or `full`.
    pub effort: String,
    /// The versions of this library and its peers.
    pub versions: String,
}

impl Machine {
    /// The part that fits a line.
    pub fn line(&self) -> String {
        let compiler = self.compiler.split(" (").next().unwrap_or_default();
        format!("{}, {} cores, {}, {compiler}, {} run", self.cpu, self.cores, self.memory, self.effort)
    }
}

/// The crates whose versions stand in the report.
const PEERS: &str = "bumpalo bump-scope blink-alloc rarena-allocator mimalloc tikv-jemallocator crossbeam-epoch \
                     crossbeam-skiplist lsm-tree skl scc concurrent-map blart epoch-arena";

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Looks at the machine.
pub fn describe(quick: bool) -> Machine {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let kib = field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let kernel = read("/proc/sys/kernel/osrelease");
    let pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let rustc = duct::cmd!("rustc", "-V").read();
    let lock = fs::read_to_string(crate::workspace().join("Cargo.lock")).unwrap_or_default();
    Machine {
        cpu,
        cores: cores(),
        memory: kib.map_or_else(|| "memory unknown".into(), |kib| format!("{} GiB", kib.div_ceil(1 << 20))),
        system: format!("{} {kernel}, huge pages {pages}", std::env::consts::OS),
        compiler: format!("{}, release, fat LTO, one codegen unit", rustc.unwrap_or_default().trim()),
        effort: if quick { "quick".into() } else { "full".into() },
        versions: versions(&lock),
    }
}

/// The commit that is checked out, with a `+` if files of it were changed since.
pub fn commit() -> String {
    let git = |arguments: &[&str]| duct::cmd("git", arguments).dir(crate::workspace()).stderr_null().read();
    let Ok(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".into();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    commit + if changed.is_ok_and(|files| files.is_empty()) { "" } else { "+" }
}

fn read(file: &str) -> String {
    fs::read_to_string(file).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The versions that `Cargo.lock` holds: those that were built, not those that a document names.
fn versions(lock: &str) -> String {
    let lock: toml::Table = lock.parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let of =
        |package: &toml::Value| Some((package["name"].as_str()?.to_owned(), package["version"].as_str()?.to_owned()));
    let shown = packages.filter_map(of).filter(|(name, _)| PEERS.split(' ').any(|peer| peer == name));
    shown.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
}

/// The bytes that may be taken without swapping; `None` where the system does not tell.
pub fn available() -> Option<u64> {
    let kib: u64 = field("/proc/meminfo", "MemAvailable")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Now.
pub fn date() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    format!("{} UTC", now[..16].replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_and_versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"bumpalo\"\nversion = \"3.1.0\"\n[[package]]\nname = \"a\"\nversion = \"1\"\n";
        assert_eq!(versions(lock), "bumpalo 3.1.0");
        let line = describe(true).line();
        assert!(line.contains("cores") && line.contains("rustc"), "{line}");
    }
}
