//! Sorted files: entries in ascending order of their keys, each with two lengths before it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::shared::Failure;

/// A folder for temporary files, which goes with them.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: it only has to be another number each time.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let path = std::env::temp_dir().join(format!("epoch-arena-{name}-{process}-{number}"));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub fn create(&self, number: usize) -> io::Result<SortedFile> {
        let path = self.0.join(format!("{number}.sorted"));
        Ok(SortedFile {
            file: BufWriter::new(File::create_new(&path)?),
            path,
            entries: 0,
            last: Vec::new(),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A drop cannot report a failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file that is being written.
pub struct SortedFile {
    file: BufWriter<File>,
    path: PathBuf,
    entries: u64,
    last: Vec<u8>,
}

/// A file that is complete.
pub struct Finished {
    path: PathBuf,
    pub entries: u64,
}

impl SortedFile {
    /// The next entry; its key must be greater than the last.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        if self.entries > 0 && self.last.as_slice() >= key {
            return Err(format!("{} is out of order", key.escape_ascii()).into());
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        for part in [key, value] {
            self.file
                .write_all(&u32::try_from(part.len())?.to_le_bytes())?;
        }
        self.file.write_all(key)?;
        self.file.write_all(value)?;
        self.entries += 1;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<Finished> {
        self.file.flush()?;
        Ok(Finished {
            path: self.path,
            entries: self.entries,
        })
    }
}

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

fn read_entry(file: &mut impl Read) -> io::Result<Entry> {
    let mut lens = [[0; 4]; 2];
    for len in &mut lens {
        file.read_exact(len)?;
    }
    let [mut key, mut value] = lens.map(|len| vec![0; u32::from_le_bytes(len) as usize]);
    file.read_exact(&mut key)?;
    file.read_exact(&mut value)?;
    Ok((key, value))
}

/// All keys of the files, in order, each once, with the value that the latest file has.
pub fn merge(
    files: &[Finished],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut open = Vec::new();
    for file in files {
        open.push((BufReader::new(File::open(&file.path)?), file.entries));
    }
    // The least key first; of equal keys, that of the latest file.
    let mut next = BinaryHeap::new();
    let mut pull = |number: usize, next: &mut BinaryHeap<_>| -> io::Result<()> {
        let (file, left) = &mut open[number];
        if *left > 0 {
            *left -= 1;
            let (key, value) = read_entry(file)?;
            next.push((Reverse(key), number, value));
        }
        Ok(())
    };
    for number in 0..files.len() {
        pull(number, &mut next)?;
    }
    let mut last: Option<Vec<u8>> = None;
    while let Some((Reverse(key), number, value)) = next.pop() {
        pull(number, &mut next)?;
        if last.as_ref() != Some(&key) {
            each(&key, &value)?;
            last = Some(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_file_wins_and_each_key_comes_once() {
        let folder = Folder::new("test").unwrap();
        let contents: [&[(&str, &str)]; 3] =
            [&[("a", "1"), ("c", "1")], &[], &[("a", "3"), ("b", "3")]];
        let mut files = Vec::new();
        for (number, entries) in contents.iter().enumerate() {
            let mut file = folder.create(number).unwrap();
            for (key, value) in *entries {
                file.push(key.as_bytes(), value.as_bytes()).unwrap();
            }
            files.push(file.finish().unwrap());
        }
        let mut text = String::new();
        merge(&files, |key, value| {
            text += &format!("{}{} ", key.escape_ascii(), value.escape_ascii());
            Ok(())
        })
        .unwrap();
        assert_eq!(text, "a3 b3 c1 ");
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let folder = Folder::new("test").unwrap();
        let mut file = folder.create(0).unwrap();
        file.push(b"b", b"").unwrap();
        assert!(file.push(b"b", b"").is_err());
        assert!(file.push(b"a", b"").is_err());
    }
}
