//! A sorted file: records in order, each with the lengths of key and value and its version before it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::shared::Failure;
use crate::shared::tables::Table;

/// A folder for temporary files, which goes with them.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> io::Result<Self> {
        for number in 0_u32.. {
            let name = format!("epoch-arena-memtable-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub fn file(&self, number: usize) -> PathBuf {
        self.0.join(format!("{number}.sorted"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A drop cannot report a failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes all of a table that takes no more records.
pub fn write(table: &impl Table, path: &Path) -> Result<(), Failure> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    table.each(|key, version, value| {
        for len in [key.len(), value.len()] {
            file.write_all(&u32::try_from(len)?.to_le_bytes())?;
        }
        file.write_all(&version.to_le_bytes())?;
        file.write_all(key)?;
        Ok(file.write_all(value)?)
    })?;
    Ok(file.flush()?)
}

/// Reads a file back, and checks that it is in order.
pub fn read(
    path: &Path,
    mut see: impl FnMut(&[u8], u64, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let file = std::fs::read(path)?;
    let mut rest = file.as_slice();
    let mut last: Option<(&[u8], u64)> = None;
    while !rest.is_empty() {
        let lens =
            [number(&mut rest)?, number(&mut rest)?].map(|len| u32::from_le_bytes(len) as usize);
        let version = u64::from_le_bytes(number(&mut rest)?);
        let (key, value) = (part(&mut rest, lens[0])?, part(&mut rest, lens[1])?);
        if last.is_some_and(|(before, newer)| before > key || before == key && newer <= version) {
            return Err(format!("{} is out of order", key.escape_ascii()).into());
        }
        see(key, version, value)?;
        last = Some((key, version));
    }
    Ok(())
}

fn number<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Failure> {
    Ok(part(rest, N)?.try_into()?)
}

fn part<'f>(rest: &mut &'f [u8], len: usize) -> Result<&'f [u8], Failure> {
    let (part, others) = rest.split_at_checked(len).ok_or("the file is cut off")?;
    *rest = others;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::tables::Boxes;

    #[test]
    fn a_file_has_what_was_in_the_table_and_a_damaged_one_is_refused() {
        let table = Boxes::first().unwrap();
        let records = [("a", 2), ("a", 1), ("b", 7)];
        let batch = records
            .iter()
            .map(|(key, version)| (key.as_bytes(), *version, b"value"));
        assert_eq!(table.put(batch).unwrap(), 3);
        let folder = Folder::new().unwrap();
        let path = folder.file(0);
        write(&table, &path).unwrap();
        let mut found = Vec::new();
        let mut see = |key: &[u8], version, value: &[u8]| {
            assert_eq!(value, b"value");
            found.push((key.escape_ascii().to_string(), version));
            Ok(())
        };
        read(&path, &mut see).unwrap();
        assert_eq!(
            found,
            records.map(|(key, version)| (key.to_owned(), version))
        );

        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(read(&path, |_, _, _| Ok(())).is_err(), "cut off");
        let third = good.len() / 3;
        std::fs::write(&path, [&good[third..], &good[..third]].concat()).unwrap();
        assert!(read(&path, |_, _, _| Ok(())).is_err(), "out of order");
    }
}
