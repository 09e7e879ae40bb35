//! `Writer`: many inserts under one guard.

use std::fmt;

use epoch_arena_pool::ArenaGuard;

use crate::error::InsertError;
use crate::map::ArenaMap;
use crate::tree::page::Page;

impl ArenaMap {
    /// Inserts many records under one guard of the map's pool. A writer remembers the leaf of its last
    /// record, so that sorted records need no search.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// let map = ArenaMap::new(&pool)?;
    /// let guard = pool.pin();
    /// let mut writer = map.writer(&guard);
    /// for number in 0..1000_u32 {
    ///     writer.insert(&number.to_be_bytes(), 0, b"")?;
    /// }
    /// assert_eq!(map.len(), 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer<'m>(&'m self, guard: &'m ArenaGuard<'_>) -> Writer<'m> {
        Writer::new(self, guard)
    }
}

/// Inserts into one map under one guard; from [`ArenaMap::writer`]. It remembers the leaf of its last
/// record: if records come in order, or near each other, no search is needed.
///
/// ```
/// # use epoch_arena_map::{ArenaMap, Writer};
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let map = ArenaMap::new(&pool)?;
/// let guard = pool.pin();
/// let mut writer: Writer<'_> = map.writer(&guard);
/// writer.insert(b"a", 1, b"first")?;
/// writer.insert(b"b", 1, b"second")?;
/// assert_eq!(map.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer<'m> {
    map: &'m ArenaMap,
    guard: &'m ArenaGuard<'m>,
    /// Where the last record went.
    last: Option<Page<'m>>,
    /// Whether the last two went into one leaf.
    near: bool,
}

impl<'m> Writer<'m> {
    pub(crate) fn new(map: &'m ArenaMap, guard: &'m ArenaGuard<'m>) -> Self {
        Self {
            map,
            guard,
            last: None,
            near: false,
        }
    }

    /// Inserts a record, as [`ArenaMap::insert`] does, without a pin of its own.
    ///
    /// # Errors
    ///
    /// [`InsertError`]; no reader sees a difference then. With a guard of another pool always
    /// [`Frozen`](InsertError::Frozen).
    ///
    /// ```
    /// # use epoch_arena_map::{ArenaMap, InsertError};
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// let map = ArenaMap::new(&pool)?;
    /// let guard = pool.pin();
    /// let mut writer = map.writer(&guard);
    /// writer.insert(b"key", 1, b"value")?;
    /// assert_eq!(writer.insert(b"key", 1, b"value"), Err(InsertError::Exists));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn insert(&mut self, key: &[u8], version: u64, value: &[u8]) -> Result<(), InsertError> {
        let near = self.last.filter(|_| self.near);
        let leaf = self.map.put(self.guard, near, key, version, value)?;
        self.near = self.last == Some(leaf);
        self.last = Some(leaf);
        Ok(())
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("map", &self.map)
            .finish_non_exhaustive()
    }
}
