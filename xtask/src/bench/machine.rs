//! What a figure means nothing without: the machine, the compiler, the versions.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What the report says about its circumstances.
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
    /// Name and value, in the order of the report.
    pub fn facts(&self) -> [(&'static str, String); 6] {
        [
            ("cpu", format!("{}, {} cores", self.cpu, self.cores)),
            ("memory", self.memory.clone()),
            ("system", self.system.clone()),
            ("compiler", self.compiler.clone()),
            ("effort", self.effort.clone()),
            ("versions", self.versions.clone()),
        ]
    }

    /// What fits a line.
    pub fn line(&self) -> String {
        let facts = &self.facts()[..4];
        let values: Vec<&str> = facts.iter().map(|(_, value)| value.as_str()).collect();
        values.join(" | ")
    }
}

/// The crates whose versions stand in the report.
const PEERS: [&str; 10] = [
    "bumpalo",
    "bump-scope",
    "blink-alloc",
    "rarena-allocator",
    "mimalloc",
    "tikv-jemallocator",
    "crossbeam-epoch",
    "crossbeam-skiplist",
    "scc",
    "epoch-arena",
];

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Looks at the machine.
pub fn describe(quick: bool) -> Machine {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let kib = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let kernel = read("/proc/sys/kernel/osrelease");
    let pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let rustc = Command::new("rustc")
        .arg("-V")
        .output()
        .map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let lock = fs::read_to_string(crate::workspace().join("Cargo.lock")).unwrap_or_default();
    Machine {
        cpu,
        cores: cores(),
        memory: kib.map_or_else(
            || "memory unknown".into(),
            |kib| format!("{} GiB", kib.div_ceil(1 << 20)),
        ),
        system: format!("{} {kernel}, huge pages {pages}", std::env::consts::OS),
        compiler: format!(
            "{}, release, fat LTO, one codegen unit",
            rustc.unwrap_or_default().trim()
        ),
        effort: if quick { "quick".into() } else { "full".into() },
        versions: versions(&lock),
    }
}

/// The commit that is checked out, with a `+` if files of it were changed since.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(crate::workspace())
            .output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".into();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changed.is_none_or(|files| files.is_empty()) {
        ""
    } else {
        "+"
    };
    commit + mark
}

fn read(file: &str) -> String {
    fs::read_to_string(file).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The versions that `Cargo.lock` holds: what was built, not what somebody wrote down.
fn versions(lock: &str) -> String {
    let mut found = Vec::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        let name = line
            .strip_prefix("name = \"")
            .and_then(|rest| rest.strip_suffix('"'));
        if let Some(name) = name.filter(|name| PEERS.contains(name))
            && let Some(version) = lines
                .next()
                .and_then(|line| line.strip_prefix("version = "))
        {
            found.push(format!("{name} {}", version.trim_matches('"')));
        }
    }
    found.join(", ")
}

/// Now.
pub fn date() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02} UTC",
        seconds / 3600 % 24,
        seconds / 60 % 60
    )
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar: years that begin in March put the leap day last.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_known_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"bumpalo\"\nversion = \"3.1.0\"\n[[package]]\nname = \"other\"\nversion = \"1\"\n";
        assert_eq!(versions(lock), "bumpalo 3.1.0");
    }

    #[test]
    fn the_machine_is_described() {
        let line = describe(true).line();
        assert!(line.contains("cores") && line.contains("rustc"), "{line}");
    }
}
