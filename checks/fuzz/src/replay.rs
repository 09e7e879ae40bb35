//! Runs programs from files, and from a generator of random bytes, without libFuzzer.

use std::io;
use std::path::{Path, PathBuf};

/// The `main` of a target without libFuzzer: runs each file that is named, and each in the
/// directories that are.
pub fn main(run: fn(&[u8])) {
    for argument in std::env::args_os().skip(1) {
        let files = files(Path::new(&argument)).expect("a readable file or directory");
        for file in files {
            println!("{}", file.display());
            run(&std::fs::read(&file).expect("a readable file"));
        }
    }
}

/// `path` if it is a file, else the files in it, by name.
///
/// # Errors
///
/// Those of the file system.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}

/// Random bytes from a seed, `len` of them.
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let words =
        (0..len.div_ceil(8) as u64).map(|word| mix(seed.wrapping_mul(len as u64 + 1) ^ mix(word)));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(len);
    bytes
}

/// A bijection that leaves no trace of its argument (the finaliser of splitmix64).
pub fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
