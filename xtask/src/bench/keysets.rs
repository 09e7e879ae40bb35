//! Which key sets there are on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use epoch_arena_bench_wire::{KeySource, Keys};

const WORD_LIST: &str = "/usr/share/dict/words";

/// The key sets of a run.
#[derive(Debug, Default)]
pub struct KeySets {
    /// Those to measure on.
    pub usable: Vec<KeySource>,
    /// Those that this machine does not have, and why.
    pub skipped: Vec<(String, String)>,
}

/// The standard sets and the user's files. `folder` takes the list of paths.
pub fn collect(files: &[PathBuf], folder: &Path) -> Result<KeySets, String> {
    let mut sets = KeySets { usable: vec![KeySource::Fix16, KeySource::User], skipped: Vec::new() };
    for (name, made) in [("paths", paths(folder)), ("words", words())] {
        match made {
            Ok(path) => sets.usable.push(KeySource::File { name: name.into(), path }),
            Err(reason) => sets.skipped.push((name.into(), reason)),
        }
    }
    for path in files {
        Keys::read(path).map_err(|error| error.to_string())?;
        sets.usable.push(KeySource::File { name: path.display().to_string(), path: path.clone() });
    }
    Ok(sets)
}

/// Lists the files below the toolchain's sysroot, once for all processes; gives the file with the list.
fn paths(folder: &Path) -> Result<PathBuf, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = duct::cmd!(&rustc, "--print", "sysroot").read();
    let sysroot = sysroot.map_err(|error| format!("`{}`: {error}", rustc.display()))?;
    // A folder that cannot be read has no keys for us; that is all.
    let files = walkdir::WalkDir::new(&sysroot).into_iter().flatten().filter(|entry| !entry.file_type().is_dir());
    let mut found: Vec<PathBuf> = files.map(walkdir::DirEntry::into_path).collect();
    if found.is_empty() {
        return Err(format!("{sysroot}: holds no file"));
    }
    // Sorted: the order of a directory depends on its history, the figures should not.
    found.sort();
    let lines: Vec<u8> = found.iter().flat_map(|path| [path.as_os_str().as_encoded_bytes(), b"\n"].concat()).collect();
    let list = folder.join("paths");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&list, lines));
    written.map_err(|error| format!("{}: cannot be written: {error}", list.display()))?;
    Ok(list)
}

fn words() -> Result<PathBuf, String> {
    let missing = || format!("{WORD_LIST}: this system has no word list (Debian: `apt-get install wamerican`)");
    Keys::read(Path::new(WORD_LIST)).map(|_| WORD_LIST.into()).map_err(|_| missing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_sets_are_there_or_explained() {
        let folder = tempfile::tempdir().unwrap();
        let sets = collect(&[], folder.path()).unwrap();
        let names: Vec<_> = sets.usable.iter().map(KeySource::name).collect();
        assert!(names.starts_with(&["fix16".into(), "user".into(), "paths".into()]), "{names:?}");
        assert_eq!(sets.usable.len() + sets.skipped.len(), 4);
        assert!(Keys::read(&folder.path().join("paths")).unwrap().len() > 100);
    }

    #[test]
    fn a_bad_file_ends_the_run_before_it_begins() {
        let error = collect(&["/nonexistent/keys".into()], tempfile::tempdir().unwrap().path()).unwrap_err();
        assert!(error.contains("/nonexistent/keys") && error.contains("one key per line"), "{error}");
    }
}
