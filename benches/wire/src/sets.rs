//! The key sets that a run has: the standard ones, as far as this machine has them, and the user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::{DirEntry, WalkDir};

use crate::{KeySource, Keys, KeysError};

const WORD_LIST: &str = "/usr/share/dict/words";

/// The key sets of a run.
#[derive(Debug, Default)]
pub struct KeySets {
    /// Those to measure on.
    pub usable: Vec<KeySource>,
    /// Those that this machine does not have, and why.
    pub skipped: Vec<(String, String)>,
}

impl KeySets {
    /// The names of the standard sets.
    pub const STANDARD: [&str; 4] = ["fix16", "user", "paths", "words"];

    /// The standard sets and the user's files. `folder` takes the list of paths.
    pub fn collect(files: &[PathBuf], folder: &Path) -> Result<Self, KeysError> {
        let mut usable = vec![KeySource::Fix16, KeySource::User];
        let mut skipped = Vec::new();
        let file = |name: String, path| KeySource::File { name, path };
        for (name, made) in [("paths", paths(folder)), ("words", words())] {
            match made {
                Ok(path) => usable.push(file(name.into(), path)),
                Err(reason) => skipped.push((name.into(), reason)),
            }
        }
        for path in files {
            Keys::read(path)?;
            usable.push(file(path.display().to_string(), path.clone()));
        }
        Ok(Self { usable, skipped })
    }
}

/// Lists the files below the toolchain's sysroot, once for all processes; gives the file with the list.
fn paths(folder: &Path) -> Result<PathBuf, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).args(["--print", "sysroot"]).output();
    let output = output.map_err(|error| format!("`{}`: {error}", rustc.display()))?;
    let sysroot = String::from_utf8_lossy(&output.stdout);
    // Sorted: the order of a directory depends on its history, the figures should not. A folder that cannot be read has
    // no keys for us; that is all.
    let entries = WalkDir::new(sysroot.trim()).sort_by_file_name();
    let files = entries
        .into_iter()
        .flatten()
        .filter(|entry| !entry.file_type().is_dir());
    let line = |entry: DirEntry| [entry.path().as_os_str().as_encoded_bytes(), b"\n"].concat();
    let lines: Vec<u8> = files.flat_map(line).collect();
    if lines.is_empty() {
        return Err(format!("{sysroot}: holds no file"));
    }
    let list = folder.join("paths");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&list, lines));
    written.map_err(|error| format!("{}: cannot be written: {error}", list.display()))?;
    Ok(list)
}

fn words() -> Result<PathBuf, String> {
    let missing = || {
        format!("{WORD_LIST}: this system has no word list (Debian: `apt-get install wamerican`)")
    };
    Keys::read(Path::new(WORD_LIST))
        .map(|_| WORD_LIST.into())
        .map_err(|_| missing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_sets_are_there_or_explained() {
        let folder = tempfile::tempdir().unwrap();
        let sets = KeySets::collect(&[], folder.path()).unwrap();
        let names: Vec<_> = sets.usable.iter().map(KeySource::name).collect();
        assert!(
            names.starts_with(&["fix16".into(), "user".into(), "paths".into()]),
            "{names:?}"
        );
        let all = names
            .into_iter()
            .chain(sets.skipped.into_iter().map(|(name, _)| name));
        assert!(all.eq(KeySets::STANDARD));
        assert!(Keys::read(&folder.path().join("paths")).unwrap().len() > 100);
    }

    #[test]
    fn a_bad_file_ends_the_run_before_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let error = KeySets::collect(&["/nonexistent/keys".into()], folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nonexistent/keys") && error.contains("one key per line"),
            "{error}"
        );
    }
}
