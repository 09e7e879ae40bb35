//! An ordered, concurrent, versioned map whose records and index live in one epoch of an arena.
//!
//! ```
//! # mod epoch_arena { pub use epoch_arena_map::*; pub use epoch_arena_pool::*; }
//! use epoch_arena::{ArenaMap, ArenaPool};
//!
//! let pool = ArenaPool::builder().build()?;
//! let map = ArenaMap::new(&pool)?;
//! map.insert(b"user:1", 1, b"ann")?; // key, version, value
//! map.insert(b"user:1", 2, b"anna")?;
//! assert_eq!(map.get(b"user:1", u64::MAX).unwrap().value(), b"anna");
//! assert_eq!(map.get(b"user:1", 1).unwrap().value(), b"ann");
//!
//! let next = map.rotate()?; // this map takes no more records; the next one does
//! map.freeze(std::time::Duration::from_secs(10))?; // no insert is under way
//! assert_eq!(map.iter().count(), 2); // to be flushed
//! drop(map); // constant time, whatever was in it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It is what a storage engine calls a memtable. An insert copies key and value into the thread's chunk of
//! the epoch, and puts an address into a leaf; nothing else is allocated for a record. A [`get`] looks at two
//! or three small inner pages, one leaf, one record. Dropping a map of ten million records takes as long as
//! dropping an empty one.
//!
//! # Guarantees
//!
//! - Readers take no lock and no pin, and wait for no writer, also not for one that is suspended at the
//!   worst place. A read begins again only when a leaf was split while it looked at it.
//! - What [`insert`] has returned for, every later [`get`] and range finds, on every thread.
//! - A range has every record that was there when it was made, in order, once.
//! - A refused insert changes nothing that a reader could see.
//! - No code of a user's runs under a lock of the map's.
//!
//! # What is not guaranteed
//!
//! - Writers that meet in one leaf wait for each other, and for one that is suspended there, for as long as it
//!   is. Other leaves go on.
//! - A record is never removed and its value never replaced: insert a newer version. [`range_at`] passes over
//!   older ones, one by one.
//! - A read at a version can be repeated only if no record of that version or an older one is inserted later. With
//!   several writers, read below the oldest version that a writer has drawn and not yet inserted.
//! - Several inserts are not one: others see the first before the last, and a refusal in between leaves those before it.
//!   Let readers look only at versions whose inserts are all done.
//! - There are no deletions: insert a version that says so, by a byte of its value or the lowest bit of the version.
//! - The whole map, and all maps of its epoch, are held by one [`OwnedEntry`].
//!
//! Why it is sound is written in `docs/map.md` of the repository.
//!
//! [`get`]: ArenaMap::get
//! [`insert`]: ArenaMap::insert
//! [`range_at`]: ArenaMap::range_at

#![cfg_attr(docsrs, feature(doc_cfg))]

mod entry;
mod error;
mod groups;
mod insert;
mod map;
#[cfg(all(test, epoch_arena_loom))]
mod models;
mod range;
mod range_at;
mod read;
mod sums;
mod sync;
#[cfg(all(test, not(epoch_arena_loom)))]
mod tests;
mod tree;
mod writer;

pub use entry::{Entry, OwnedEntry};
pub use error::{InsertError, MapError};
pub use map::ArenaMap;
pub use range::Range;
pub use range_at::RangeAt;
pub use writer::Writer;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
