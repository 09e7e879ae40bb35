//! Key sets: one flat buffer and offsets, so that reading a key in a timed loop costs next to nothing.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The longest key that the library stores.
pub const MAX_KEY_LEN: usize = (1 << 24) - 1;

/// Keys, one after the other in one buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    bytes: Vec<u8>,
    /// Where each key starts, and at the end where the last one ends.
    ///
    /// Invariant: not empty, never falling, the last one is `bytes.len()`.
    offsets: Vec<u32>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            offsets: vec![0],
        }
    }
}

impl Keys {
    /// Adds a key. The caller keeps the whole below 4 GiB: `load` checks files, generated sets are far smaller.
    pub fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        let end = u32::try_from(self.bytes.len()).expect("a key set stays below 4 GiB");
        self.offsets.push(end);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all keys.
    pub fn payload(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the keys from number `from` up to but without number `to`.
    #[inline(always)]
    pub fn bytes_of(&self, from: usize, to: usize) -> usize {
        (self.offsets[to] - self.offsets[from]) as usize
    }

    /// Where parts of so many keys begin and end, one behind the other.
    #[inline(always)]
    pub fn parts(&self, of: usize) -> impl Iterator<Item = (usize, usize)> {
        let len = self.len();
        let part = move |start: usize| (start, len.min(start.saturating_add(of)));
        (0..len).step_by(of).map(part)
    }

    /// Key number `at`.
    #[inline(always)]
    pub fn at(&self, at: usize) -> &[u8] {
        &self.bytes[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    /// The keys in order.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.range(0, self.len())
    }

    /// The keys from number `from` up to but without number `to`.
    #[inline(always)]
    pub fn range(&self, from: usize, to: usize) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.offsets[from..=to].windows(2).map(|pair| {
            // SAFETY: by the invariant of `offsets`, the pair is in order and within `bytes`. The check that this
            // saves would be paid by every contestant and dilute every ratio.
            unsafe { self.bytes.get_unchecked(pair[0] as usize..pair[1] as usize) }
        })
    }

    /// No keys yet, and room for `count` of `bytes` together: growing would leave garbage in the heap.
    pub fn with_capacity(count: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        Self {
            bytes: Vec::with_capacity(bytes),
            offsets,
        }
    }

    /// Exactly `count` keys: the first ones, or all of them over and over.
    pub fn exactly(&self, count: usize) -> Self {
        let bytes = self.iter().cycle().take(count).map(<[u8]>::len).sum();
        let mut keys = Self::with_capacity(count, bytes);
        for key in self.iter().cycle().take(count) {
            keys.push(key);
        }
        keys
    }

    /// The keys from number `from` up to but without number `to`, in a buffer of their own.
    pub fn part(&self, from: usize, to: usize) -> Self {
        let bytes = self.range(from, to).map(<[u8]>::len).sum();
        let mut keys = Self::with_capacity(to - from, bytes);
        self.range(from, to).for_each(|key| keys.push(key));
        keys
    }

    /// The first keys, as many as have `bytes` bytes together, and at least one.
    pub fn within(&self, bytes: usize) -> Self {
        let fit = self.offsets.partition_point(|end| *end as usize <= bytes) - 1;
        self.exactly(fit.max(1))
    }

    /// One key per line; a line end that closes the text opens no further key.
    fn from_lines(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut keys = Self::with_capacity(lines, text.len());
        text.split(|byte| *byte == b'\n')
            .for_each(|line| keys.push(line));
        keys
    }

    /// The keys in a file, one per line, at least one of them not empty.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let one_per_line = "give --keys a readable file with one key per line";
        let unreadable =
            |error| KeysError::new(path, &format!("cannot be read: {error}"), one_per_line);
        let text = fs::read(path).map_err(unreadable)?;
        if u32::try_from(text.len()).is_err() {
            let part = "give a part of it, for example of `head -n 10000000`";
            return Err(KeysError::new(path, "is larger than 4 GiB", part));
        }
        let keys = Self::from_lines(&text);
        std::mem::forget(text);
        if keys.payload() == 0 {
            return Err(KeysError::new(
                path,
                "holds no key: it is empty or has only empty lines",
                one_per_line,
            ));
        }
        if let Some(line) = keys.iter().position(|key| key.len() > MAX_KEY_LEN) {
            let what = format!(
                "line {} is longer than {MAX_KEY_LEN} bytes, the longest key there can be",
                line + 1
            );
            return Err(KeysError::new(path, &what, "shorten or remove that line"));
        }
        Ok(keys)
    }
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// 16 bytes that look random.
    Fix16,
    /// `user:%d:profile`.
    User,
    /// `user` and 20 digits that look random: YCSB's keys.
    User24,
    /// One key per line of a file, any bytes.
    File {
        /// The name in records and tables.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The measurement makes keys of its own (churn: the lengths are the load).
    OfTheLoad,
}

impl KeySource {
    /// The name in records and tables.
    pub fn name(&self) -> String {
        match self {
            Self::Fix16 => "fix16".into(),
            Self::User => "user".into(),
            Self::User24 => "user24".into(),
            Self::File { name, .. } => name.clone(),
            Self::OfTheLoad => "-".into(),
        }
    }

    /// Exactly `count` keys; those of a file are repeated if there are fewer.
    pub fn load(&self, count: usize) -> Result<Keys, KeysError> {
        match self {
            Self::Fix16 => Ok(fix16(count)),
            Self::User => Ok(user(count)),
            Self::User24 => Ok(user24(count)),
            Self::OfTheLoad => Ok(Keys::default()),
            Self::File { path, .. } => {
                let whole = Keys::read(path)?;
                let keys = whole.exactly(count);
                // Not freed: a heap that is about to be measured must not find free room of earlier allocations.
                std::mem::forget(whole);
                Ok(keys)
            }
        }
    }
}

fn fix16(count: usize) -> Keys {
    let mut keys = Keys::with_capacity(count, count * 16);
    for at in 0..count as u64 {
        // Two rounds of a 64-bit finaliser: distinct, spread, and the same in every process.
        let high = mix(at.wrapping_mul(2));
        let low = mix(at.wrapping_mul(2) + 1);
        keys.push(&(u128::from(high) << 64 | u128::from(low)).to_be_bytes());
    }
    keys
}

fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn user(count: usize) -> Keys {
    let mut keys = Keys::with_capacity(count, count * 24);
    // From a million on: the number has as many digits as in a store of some size, and 20 to 21 bytes result.
    for at in 0..count {
        write!(keys.bytes, "user:{}:profile", 1_000_000 + at)
            .expect("a vector takes what it is given");
        keys.offsets
            .push(u32::try_from(keys.bytes.len()).expect("a key set stays below 4 GiB"));
    }
    keys
}

fn user24(count: usize) -> Keys {
    let mut keys = Keys::with_capacity(count, count * 24);
    for at in 0..count as u64 {
        keys.push(format!("user{:020}", mix(at)).as_bytes());
    }
    keys
}

/// Keys that could not be had: the file, what is wrong with it, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysError {
    path: PathBuf,
    what: String,
    way_out: &'static str,
}

impl KeysError {
    fn new(path: &Path, what: &str, way_out: &'static str) -> Self {
        Self {
            path: path.to_path_buf(),
            what: what.to_owned(),
            way_out,
        }
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}; {}",
            self.path.display(),
            self.what,
            self.way_out
        )
    }
}

impl std::error::Error for KeysError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(content: &[u8]) -> Result<Keys, KeysError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Keys::read(file.path())
    }

    #[test]
    fn any_bytes_one_key_per_line() {
        let keys = of_file(b"one\n\xff\x00two\r\n\nlast").unwrap();
        let expected: [&[u8]; 4] = [b"one", b"\xff\x00two\r", b"", b"last"];
        assert!(keys.iter().eq(expected));
        assert_eq!(keys.payload(), 13);
    }

    #[test]
    fn a_closing_line_end_is_not_a_key() {
        assert_eq!(of_file(b"a\nb\n").unwrap().len(), 2);
    }

    #[test]
    fn missing_empty_unreadable_and_overlong_files_are_named_with_a_way_out() {
        let missing = Keys::read(Path::new("/nonexistent/keys"))
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("/nonexistent/keys") && missing.contains("one key per line"),
            "{missing}"
        );
        let folder = Keys::read(&std::env::temp_dir()).unwrap_err().to_string();
        assert!(folder.contains("cannot be read"), "{folder}");
        for content in [&b""[..], b"\n\n\n"] {
            let empty = of_file(content).unwrap_err().to_string();
            assert!(empty.contains("holds no key"), "{empty}");
        }
        let long = [b"x\n".as_slice(), &vec![b'y'; MAX_KEY_LEN + 1]].concat();
        let long = of_file(&long).unwrap_err().to_string();
        assert!(
            long.contains("line 2") && long.contains("16777215"),
            "{long}"
        );
    }

    #[test]
    fn a_short_set_is_repeated_and_a_long_one_cut() {
        let keys = Keys::from_lines(b"a\nbb\nccc");
        let many = keys.exactly(7);
        assert_eq!(many.len(), 7);
        assert_eq!(many.iter().last(), Some(&b"a"[..]));
        assert_eq!(keys.exactly(2).payload(), 3);
        assert_eq!(
            [0, 1, 3, 5, 6, 99].map(|bytes| keys.within(bytes).len()),
            [1, 1, 2, 2, 3, 3]
        );
        assert!(keys.range(1, 3).eq([&b"bb"[..], b"ccc"]) && keys.at(1) == b"bb");
    }

    #[test]
    fn generated_keys_are_as_the_name_says() {
        for (source, len) in [(KeySource::Fix16, 16), (KeySource::User24, 24)] {
            let keys = source.load(1000).unwrap();
            assert!(keys.iter().all(|key| key.len() == len));
            let distinct: std::collections::HashSet<_> = keys.iter().collect();
            assert_eq!(distinct.len(), 1000);
        }
        let users = KeySource::User.load(3).unwrap();
        assert_eq!(users.iter().nth(2), Some(&b"user:1000002:profile"[..]));
    }
}
