//! `KeyRef`: a resolved key, which can be compared.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A resolved key: its bytes, and the first eight of them in a word. It orders, compares and hashes
/// as all its bytes do; the word only saves a look at them where it decides.
///
/// It is borrowed from the guard, lease or snapshot that resolved it. It implements
/// `Borrow<[u8]>`, so maps of it are searched by slices:
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaKey, ArenaPool, KeyRef};
/// use std::collections::BTreeMap;
///
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let mut map: BTreeMap<KeyRef<'_>, u32> = BTreeMap::new();
/// for (value, word) in ["one", "two", "three"].into_iter().enumerate() {
///     let key = ArenaKey::copy_from(word.as_bytes(), &guard)?;
///     map.insert(key.resolve(&guard).unwrap(), value as u32);
/// }
/// assert_eq!(map.get(&b"two"[..]), Some(&1));
/// assert_eq!(format!("{:?}", map.keys().next().unwrap()), "\"one\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does not outlive its guard:
///
/// ```compile_fail,E0505
/// # use epoch_arena_key::ArenaKey;
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build().unwrap();
/// let guard = pool.pin();
/// let key = ArenaKey::copy_from(b"key", &guard).unwrap();
/// let resolved = key.resolve(&guard).unwrap();
/// drop(guard);
/// assert_eq!(resolved.as_bytes(), b"key");
/// ```
#[derive(Clone, Copy)]
pub struct KeyRef<'r> {
    /// Invariant: the prefix of `bytes`, except inside `sort_keys`.
    prefix: u64,
    bytes: &'r [u8],
}

impl<'r> KeyRef<'r> {
    /// A key over any bytes: to search for, among resolved ones.
    ///
    /// ```
    /// # use epoch_arena_key::KeyRef;
    /// assert!(KeyRef::new(b"a") < KeyRef::new(b"b"));
    /// assert_ne!(KeyRef::new(b"a"), KeyRef::new(b"a\0"));
    /// ```
    #[inline]
    pub fn new(bytes: &'r [u8]) -> Self {
        Self::with_prefix(bytes, prefix(bytes))
    }

    #[inline]
    pub(crate) const fn with_prefix(bytes: &'r [u8], prefix: u64) -> Self {
        Self { prefix, bytes }
    }

    /// The word: the prefix, or the one that a sort has put in its place.
    #[inline]
    pub(crate) const fn window(&self) -> u64 {
        self.prefix
    }

    /// The bytes.
    ///
    /// ```
    /// # use epoch_arena_key::KeyRef;
    /// assert_eq!(KeyRef::new(b"key").as_bytes(), b"key");
    /// ```
    #[inline]
    pub const fn as_bytes(&self) -> &'r [u8] {
        self.bytes
    }
}

/// The first eight bytes, big-endian, filled up with zeros: ordered as the bytes are, as far as
/// they differ within it.
#[inline]
pub(crate) fn prefix(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(first)
        }
    }
}

impl Ord for KeyRef<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Different prefixes order as their bytes: at the first byte that differs, a shorter key
        // has a zero where the other has more, and nothing is less than zero. Equal prefixes say
        // nothing ("a" and "a\0" have the same), so the bytes decide.
        match self.prefix.cmp(&other.prefix) {
            Ordering::Equal => self.bytes.cmp(other.bytes),
            decided => decided,
        }
    }
}

impl PartialOrd for KeyRef<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for KeyRef<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.bytes == other.bytes
    }
}

impl Eq for KeyRef<'_> {}

impl Hash for KeyRef<'_> {
    /// As `[u8]`, which it borrows as.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl Borrow<[u8]> for KeyRef<'_> {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.bytes
    }
}

impl AsRef<[u8]> for KeyRef<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

impl Deref for KeyRef<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for KeyRef<'_> {
    /// As text where it is text, else as bytes with the printable ones readable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => fmt::Debug::fmt(text, f),
            Err(_) => write!(f, "b\"{}\"", self.bytes.escape_ascii()),
        }
    }
}
