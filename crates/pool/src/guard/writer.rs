//! `BytesWriter`: a value that is written piece by piece, in the place where it stays.

use std::ptr::NonNull;
use std::{fmt, io};

use epoch_arena_core::raw::copy;
use epoch_arena_core::{AllocError, ArenaHandle, MAX_LEN};

use super::ArenaGuard;
use super::batch::Batch;

/// A value that grows with each write, in the current epoch; from [`ArenaGuard::writer`].
///
/// It is the last allocation of its thread's chunk, and grows there. If something else was allocated behind
/// it, or the chunk is full, the value moves to a place with twice the room. [`finish`](Self::finish)
/// gives the handle; dropped without it, the writer gives everything back. What is not used is given back
/// like that of a [`Batch`]: if nothing was allocated behind it, else it is padding until the epoch is reclaimed.
///
/// `write!` works without any trait in scope, and then has an [`AllocError`] as its error. For code that is
/// generic, a writer is an [`io::Write`] and a [`fmt::Write`].
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let mut value = guard.writer()?;
/// value.push(b"user:")?;
/// write!(value, "{:05}", 42)?;
/// let other = guard.alloc_copy(b"a put in between")?; // allowed; the value moves if it grows again
/// value.push(b"/profile")?;
/// let handle = value.finish();
/// assert_eq!(guard.get(handle), Some(&b"user:00042/profile"[..]));
/// assert_eq!(guard.get(other), Some(&b"a put in between"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The handle is of the epoch in which the writer last took room: the one that was current when it was
/// opened, or when the value last moved.
#[must_use = "a writer that is dropped gives its bytes back; `finish` gives the handle"]
pub struct BytesWriter<'a> {
    guard: &'a ArenaGuard<'a>,
    /// Nothing is pushed into it before `finish`, so that its drop gives all of it back.
    /// Invariant: the value is the first `len` of its bytes, which are written; it is at most [`MAX_LEN`] long.
    room: Batch<'a>,
    len: usize,
}

impl ArenaGuard<'_> {
    /// Opens a writer: for a value whose length is not known before it is written. Write a value of known
    /// length by [`alloc_copy`](Self::alloc_copy) or [`alloc_with`](Self::alloc_with).
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](Self::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// use std::io::Write as _;
    /// let guard = pool.pin();
    /// let mut value = guard.writer()?;
    /// std::io::copy(&mut &b"from any reader"[..], &mut value)?;
    /// assert_eq!(guard.get(value.finish()), Some(&b"from any reader"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer(&self) -> Result<BytesWriter<'_>, AllocError> {
        Ok(BytesWriter {
            guard: self,
            room: self.batch(0)?,
            len: 0,
        })
    }

    /// Formats into the current epoch, without a `String` in between.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](Self::alloc_copy).
    ///
    /// # Panics
    ///
    /// If a formatting trait returns an error of its own, as `format!` does. No handle exists then.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_fmt(format_args!("tenant{}/user:{:05}", 7, 42))?;
    /// assert_eq!(guard.get(handle), Some(&b"tenant7/user:00042"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alloc_fmt(&self, text: fmt::Arguments<'_>) -> Result<ArenaHandle, AllocError> {
        if let Some(text) = text.as_str() {
            return self.alloc_str(text);
        }
        let mut writer = self.writer()?;
        writer.write_fmt(text)?;
        Ok(writer.finish())
    }
}

impl BytesWriter<'_> {
    /// Appends `bytes` to the value.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy), for the length that the value would have.
    /// It stays as it was, and can be finished or written to further.
    ///
    /// ```
    /// # use epoch_arena_pool::{AllocError, ArenaPool};
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut value = guard.writer()?;
    /// value.push(b"short")?;
    /// assert_eq!(value.push(&vec![0; 16 << 20]), Err(AllocError::TooLong));
    /// assert_eq!(guard.get(value.finish()), Some(&b"short"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), AllocError> {
        // No overflow: no slice is longer than `isize::MAX`, and the value is at most `MAX_LEN` long.
        let len = self.len + bytes.len();
        if len > self.room.remaining() {
            self.grow(len)?;
        }
        // SAFETY: inside the room, which has `len` bytes now.
        let end = unsafe { self.room.rest().add(self.len) };
        // SAFETY: 1. `bytes.len()` bytes from there on are inside it, and this writer's alone; 2. `bytes` is
        // borrowed, and only `as_bytes` lends bytes of the room, not beside `&mut self`.
        unsafe { copy(bytes, end) };
        self.len = len;
        Ok(())
    }

    /// Appends what is formatted; `write!` calls this. All of it, or nothing.
    ///
    /// # Errors
    ///
    /// As for [`push`](Self::push).
    ///
    /// # Panics
    ///
    /// If a formatting trait returns an error of its own, as `format!` does.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut value = guard.writer()?;
    /// for number in 1..4 {
    ///     write!(value, "{number};")?;
    /// }
    /// assert_eq!(guard.get(value.finish()), Some(&b"1;2;3;"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), AllocError> {
        let before = self.len;
        let mut pieces = Pieces {
            writer: self,
            refused: None,
        };
        let written = fmt::write(&mut pieces, text);
        match (written, pieces.refused) {
            (Ok(()), None) => Ok(()),
            // Also where the formatting trait went on behind a refused piece.
            (_, Some(refused)) => {
                self.len = before;
                Err(refused)
            }
            (Err(fmt::Error), None) => {
                self.len = before;
                panic!("a formatting trait returned an error, and the writer did not");
            }
        }
    }

    /// The bytes so far.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut value = guard.writer()?;
    /// value.push(b"a,b")?;
    /// assert!(value.as_bytes().ends_with(b"b"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: by the invariant of `room` these bytes are written; they are this writer's, so not written to
        // while it is borrowed, and under its guard, so not reclaimed.
        unsafe { std::slice::from_raw_parts(self.room.rest().as_ptr(), self.len) }
    }

    /// Ends the value, gives back the room that it does not use, and returns the handle.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let empty = guard.writer()?.finish();
    /// assert_eq!(guard.get(empty), Some(&b""[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(mut self) -> ArenaHandle {
        // SAFETY: by the invariant of `room`.
        unsafe { self.room.push_written(self.len) }
    }

    /// Makes room for a value of `len` bytes, more than there is.
    #[cold]
    fn grow(&mut self, len: usize) -> Result<(), AllocError> {
        if len > MAX_LEN {
            return Err(AllocError::TooLong);
        }
        if self.room.extend(len - self.room.remaining()) {
            return Ok(());
        }
        // Another value is behind this one, or the chunk is full. Twice the length, so that however often the
        // value moves, all its moves together copy less than twice its length; or, if that is refused, what is
        // needed.
        let roomy = len.max(2 * self.len).min(MAX_LEN);
        let room = match self.guard.batch(roomy) {
            Err(_) if roomy > len => self.guard.batch(len)?,
            room => room?,
        };
        let from: NonNull<u8> = self.room.rest();
        // SAFETY: by the invariant of `room` the value is written; the new room is claimed while the old one
        // is, so they do not overlap, and is longer than the value.
        unsafe { room.rest().copy_from_nonoverlapping(from, self.len) };
        // The drop of the old room gives all of it back.
        self.room = room;
        Ok(())
    }
}

/// What is formatted, with the error that `fmt::Error` cannot carry.
struct Pieces<'w, 'a> {
    writer: &'w mut BytesWriter<'a>,
    refused: Option<AllocError>,
}

impl fmt::Write for Pieces<'_, '_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.writer.push(piece.as_bytes()).map_err(|refused| {
            self.refused = Some(refused);
            fmt::Error
        })
    }
}

/// A refusal has no room in a `fmt::Error`; `write!` without this trait in scope returns it.
impl fmt::Write for BytesWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// A write appends all of its bytes or none. A refusal is an error whose inner one is the [`AllocError`], of the kind
/// `FileTooLarge` for a value that is too long, else `OutOfMemory`.
impl io::Write for BytesWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(refused) => {
                let kind = match refused {
                    AllocError::TooLong => io::ErrorKind::FileTooLarge,
                    _ => io::ErrorKind::OutOfMemory,
                };
                Err(io::Error::new(kind, refused))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for BytesWriter<'_> {
    /// Epoch and length, but no bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BytesWriter")
            .field("epoch", &self.room.epoch())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
