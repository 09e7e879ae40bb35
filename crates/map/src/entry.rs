//! `Entry` and `OwnedEntry`: a record, borrowed from its map or holding its epoch.

use std::fmt;
use std::ops::Deref;

use epoch_arena_pool::{Lease, OwnedBytes};

use crate::tree::record::Record;

/// A record of a map: key, version, value. `Copy`; valid for as long as the map is borrowed.
///
/// It does not outlive the map:
///
/// ```compile_fail,E0505
/// # use epoch_arena_pool as epoch_arena;
/// # use epoch_arena_map::ArenaMap;
/// let pool = epoch_arena::ArenaPool::builder().build().unwrap();
/// let map = ArenaMap::new(&pool).unwrap();
/// map.insert(b"key", 0, b"value").unwrap();
/// let entry = map.get(b"key", 0).unwrap();
/// drop(map);
/// assert_eq!(entry.value(), b"value");
/// ```
///
/// ```
/// # use epoch_arena_map::ArenaMap;
/// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
/// map.insert(b"key", 7, b"value")?;
/// let entry = map.get(b"key", u64::MAX).expect("just inserted");
/// assert_eq!((entry.key(), entry.version(), entry.value()), (&b"key"[..], 7, &b"value"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Entry<'m> {
    record: Record<'m>,
    lease: &'m Lease,
}

impl<'m> Entry<'m> {
    #[inline(always)]
    pub(crate) fn new(record: Record<'m>, lease: &'m Lease) -> Self {
        Self { record, lease }
    }

    /// The key.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"", 0, b"the empty key is one, too")?;
    /// assert_eq!(map.get(b"", 0).unwrap().key(), b"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn key(&self) -> &'m [u8] {
        self.record.key()
    }

    /// The version.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 3, b"")?;
    /// assert_eq!(map.get(b"key", 9).unwrap().version(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn version(&self) -> u64 {
        self.record.version()
    }

    /// The value.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 0, b"value")?;
    /// assert_eq!(map.get(b"key", 0).unwrap().value(), b"value");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn value(&self) -> &'m [u8] {
        self.record.value()
    }

    /// An entry that does not borrow the map, but holds its epoch. One atomic addition; nothing is
    /// copied.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 0, b"value")?;
    /// let owned = map.get(b"key", 0).unwrap().to_owned();
    /// drop(map);
    /// assert_eq!(owned.value(), b"value");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_owned(&self) -> OwnedEntry {
        // SAFETY: all of a record, of the epoch that the map's lease holds; nothing writes to it again.
        let record = unsafe { self.lease.own(self.record.as_bytes()) };
        OwnedEntry { record }
    }
}

impl PartialEq for Entry<'_> {
    /// Whether key, version and value are equal.
    fn eq(&self, other: &Self) -> bool {
        parts(self) == parts(other)
    }
}

impl Eq for Entry<'_> {}

fn parts<'m>(entry: &Entry<'m>) -> (&'m [u8], u64, &'m [u8]) {
    (entry.key(), entry.version(), entry.value())
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("Entry", self.record, f)
    }
}

fn show(name: &str, record: Record<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("key", &record.key().escape_ascii().to_string())
        .field("version", &record.version())
        .field("value_len", &record.value().len())
        .finish()
}

/// A record that holds its epoch: `'static`, `Send`, `Sync`, across threads and `.await`. It dereferences
/// to its value.
///
/// **One of these holds the whole map's memory**, and that of all maps of its epoch, until it is dropped.
/// For a few bytes that are to stay for long, copy them.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_map::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaMap, OwnedEntry};
/// let map = ArenaMap::new(&epoch_arena::ArenaPool::builder().build()?)?;
/// map.insert(b"key", 0, b"value")?;
/// let owned: OwnedEntry = map.get(b"key", 0).unwrap().to_owned();
/// drop(map);
/// let sum = std::thread::spawn(move || owned.iter().map(|byte| u32::from(*byte)).sum::<u32>());
/// assert_eq!(sum.join().unwrap(), b"value".iter().map(|byte| u32::from(*byte)).sum());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedEntry {
    /// Invariant: all of a record.
    record: OwnedBytes,
}

impl OwnedEntry {
    #[inline]
    fn record(&self) -> Record<'_> {
        // SAFETY: by the invariant.
        unsafe { Record::from_bytes(&self.record) }
    }

    /// The key.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 0, b"value")?;
    /// assert_eq!(map.get(b"key", 0).unwrap().to_owned().key(), b"key");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key(&self) -> &[u8] {
        self.record().key()
    }

    /// The version.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 5, b"value")?;
    /// assert_eq!(map.get(b"key", 5).unwrap().to_owned().version(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version(&self) -> u64 {
        self.record().version()
    }

    /// The value.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 0, b"value")?;
    /// assert_eq!(map.get(b"key", 0).unwrap().to_owned().value(), b"value");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> &[u8] {
        self.record().value()
    }

    /// The value alone, with the same hold: for `bytes::Bytes`, for instance.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 0, b"value")?;
    /// let value = map.get(b"key", 0).unwrap().to_owned().into_value();
    /// drop(map);
    /// assert_eq!(&*value, b"value");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_value(self) -> OwnedBytes {
        // SAFETY: the closure gets the bytes of `record`, which are all of a record by the invariant.
        self.record
            .map(|bytes| unsafe { Record::from_bytes(bytes) }.value())
    }
}

impl Deref for OwnedEntry {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.value()
    }
}

impl AsRef<[u8]> for OwnedEntry {
    fn as_ref(&self) -> &[u8] {
        self.value()
    }
}

impl fmt::Debug for OwnedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("OwnedEntry", self.record(), f)
    }
}
