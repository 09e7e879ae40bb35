//! `KeyWriter`: how keys are made.

use epoch_arena_core::MAX_LEN;
use epoch_arena_pool::{Alignment, ArenaGuard, Batch, PromoteError};

use crate::error::KeyError;
use crate::key::ArenaKey;

/// How keys are made: their longest length and their alignment, to be set once. `Copy`; a `const`
/// will do.
///
/// [`ArenaKey::copy_from`] is the same with the defaults: at most 256 bytes, packed.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaPool, KeyError, KeyWriter};
///
/// const URLS: KeyWriter = KeyWriter::new().max_len(2_000);
///
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let key = URLS.copy(&[b'/'; 2_000], &guard)?;
/// assert_eq!(key.len(), 2_000);
/// let refused = URLS.copy(&[b'/'; 2_001], &guard).unwrap_err();
/// assert_eq!(refused, KeyError::TooLong { max: 2_000 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWriter {
    /// Invariant: at most [`MAX_LEN`].
    max_len: u32,
    align: Alignment,
}

impl KeyWriter {
    /// Keys of at most 256 bytes, packed.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, KeyWriter};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// assert!(KeyWriter::new().copy(&[b'x'; 256], &guard).is_ok());
    /// assert!(KeyWriter::new().copy(&[b'x'; 257], &guard).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new() -> Self {
        Self {
            max_len: 256,
            align: Alignment::BYTE,
        }
    }

    /// The most bytes a key may have. No allocation has more than [`MAX_LEN`], 16 MiB - 1; a larger
    /// limit is the same as that.
    ///
    /// ```
    /// # use epoch_arena_key::KeyWriter;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let names = KeyWriter::new().max_len(3);
    /// assert_eq!(names.copy(b"ann", &pool.pin())?.len(), 3);
    /// assert!(names.copy(b"anna", &pool.pin()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it returns the changed writer"]
    pub const fn max_len(self, bytes: usize) -> Self {
        let max_len = if bytes < MAX_LEN { bytes } else { MAX_LEN };
        Self {
            max_len: max_len as u32,
            ..self
        }
    }

    /// The alignment of a key's bytes: 16 bytes for SIMD comparisons, at the price of the padding.
    /// In a batch everything is packed.
    ///
    /// ```
    /// # use epoch_arena_key::KeyWriter;
    /// # use epoch_arena_pool::{Alignment, ArenaPool};
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let key = KeyWriter::new().alignment(Alignment::new(16)?).copy(b"user:1", &guard)?;
    /// let bytes = key.resolve(&guard).expect("it is live").as_bytes();
    /// assert_eq!(bytes.as_ptr().addr() % 16, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it returns the changed writer"]
    pub const fn alignment(self, align: Alignment) -> Self {
        Self { align, ..self }
    }

    /// Copies `bytes` into the current epoch, and gives the key.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooLong`] beyond the limit, or the failure to allocate; nothing is changed.
    ///
    /// ```
    /// # use epoch_arena_key::KeyWriter;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let key = KeyWriter::new().copy(b"user:1", &guard)?;
    /// assert_eq!(key.resolve(&guard).unwrap().as_bytes(), b"user:1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn copy(
        &self,
        bytes: impl AsRef<[u8]>,
        guard: &ArenaGuard<'_>,
    ) -> Result<ArenaKey, KeyError> {
        let bytes = bytes.as_ref();
        self.check(bytes)?;
        let handle = if self.align.get() == 1 {
            guard.alloc_copy(bytes)?
        } else {
            guard.alloc_copy_aligned(bytes, self.align)?
        };
        Ok(ArenaKey::of(bytes, handle))
    }

    /// Copies `bytes` into a batch, packed, so that the key and the values pushed beside it are of one
    /// epoch. The key is given even where its epoch was retired since the batch was begun.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooLong`] beyond the limit, [`KeyError::BatchFull`] if it does not fit; nothing is
    /// changed.
    ///
    /// ```
    /// # use epoch_arena_key::KeyWriter;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let keys = KeyWriter::new().max_len(1_000);
    /// let mut batch = guard.batch(1_000)?;
    /// let (key, value) = (keys.push(&[b'k'; 900], &mut batch)?, batch.push(b"value")?);
    /// assert_eq!(key.epoch(), value.epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push(
        &self,
        bytes: impl AsRef<[u8]>,
        batch: &mut Batch<'_>,
    ) -> Result<ArenaKey, KeyError> {
        let bytes = bytes.as_ref();
        self.check(bytes)?;
        Ok(ArenaKey::of(bytes, batch.push(bytes)?))
    }

    /// A copy of `key` in the current epoch, with this alignment, whatever its length.
    ///
    /// # Errors
    ///
    /// [`PromoteError::Stale`] if the key does not resolve, or the failure to allocate.
    ///
    /// ```
    /// # use epoch_arena_key::KeyWriter;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let keys = KeyWriter::new();
    /// let key = keys.copy(b"survivor", &pool.pin())?;
    /// pool.advance()?;
    /// let key = keys.promote(key, &pool.pin())?;
    /// assert_eq!(key.epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn promote(&self, key: ArenaKey, guard: &ArenaGuard<'_>) -> Result<ArenaKey, PromoteError> {
        let bytes = guard.get(key.handle()).ok_or(PromoteError::Stale)?;
        let handle = guard.alloc_copy_aligned(bytes, self.align)?;
        Ok(ArenaKey::of(bytes, handle))
    }

    #[inline]
    fn check(&self, bytes: &[u8]) -> Result<(), KeyError> {
        if bytes.len() > self.max_len as usize {
            return Err(KeyError::TooLong { max: self.max_len });
        }
        Ok(())
    }
}

impl Default for KeyWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Keys as the default settings make them.
impl ArenaKey {
    /// Copies `bytes` into the current epoch, packed. A key has at most 256 bytes;
    /// [`KeyWriter`] makes longer and aligned ones.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooLong`] beyond 256 bytes, or the failure to allocate; nothing is changed.
    ///
    /// ```
    /// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
    /// use epoch_arena::{ArenaKey, ArenaPool};
    /// let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let key = ArenaKey::copy_from("user:12345:profile", &guard)?; // or bytes
    /// assert_eq!(key.resolve(&guard).unwrap(), "user:12345:profile");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn copy_from(bytes: impl AsRef<[u8]>, guard: &ArenaGuard<'_>) -> Result<Self, KeyError> {
        KeyWriter::new().copy(bytes, guard)
    }

    /// Copies `bytes` into a batch, so that the key and what is pushed beside it are of one epoch;
    /// at most 256 bytes, as [`KeyWriter::push`] with the default settings.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooLong`] beyond 256 bytes, [`KeyError::BatchFull`] if it does not fit; nothing
    /// is changed.
    ///
    /// ```
    /// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
    /// use epoch_arena::{ArenaKey, ArenaPool, KeyError};
    /// let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let mut batch = guard.batch(300)?;
    /// let key = ArenaKey::push_into(b"user:12345", &mut batch)?;
    /// let value = batch.push(b"ann")?; // a value, whatever its length
    /// assert_eq!(key.epoch(), value.epoch());
    /// assert_eq!(key.resolve(&guard).unwrap().as_bytes(), b"user:12345");
    /// let refused = ArenaKey::push_into(&[b'x'; 257], &mut batch).unwrap_err();
    /// assert_eq!((refused, batch.remaining()), (KeyError::TooLong { max: 256 }, 287));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push_into(bytes: impl AsRef<[u8]>, batch: &mut Batch<'_>) -> Result<Self, KeyError> {
        KeyWriter::new().push(bytes, batch)
    }
}
