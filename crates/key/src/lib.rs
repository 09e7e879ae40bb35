//! Keys in an `ArenaPool`: 24 bytes, compared by their bytes, ready for maps.
//!
//! | type | bytes | for |
//! |---|---|---|
//! | [`ArenaKey`] | 24 | storing: a handle and the first eight bytes; no order, as it may be stale |
//! | [`KeyRef`] | 24 | comparing: a key that is resolved, with `Ord`, `Hash`, `Eq`, `Borrow<[u8]>` |
//! | [`OwnedKey`] | 32 | maps that want `Ord + 'static`, such as `crossbeam_skiplist::SkipMap` |
//!
//! [`ArenaKey::copy_from`] makes keys of at most 256 bytes, packed; a [`KeyWriter`] makes others.
//!
//! ```
//! use epoch_arena_key::ArenaKey;
//! use epoch_arena_pool::ArenaPool;
//!
//! let pool = ArenaPool::builder().build()?;
//! let guard = pool.pin();
//! let keys = ["pear", "apple", "fig"]
//!     .map(|key| ArenaKey::copy_from(key.as_bytes(), &guard).unwrap());
//! let mut sorted: Vec<_> = keys.iter().filter_map(|key| key.resolve(&guard)).collect();
//! sorted.sort(); // many keys: `sort_keys(&mut sorted)`
//! assert_eq!(sorted[0].as_bytes(), b"apple");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod compare;
mod error;
mod key;
mod key_ref;
mod owned;
mod search;
mod sort;
mod writer;

pub use error::KeyError;
pub use key::ArenaKey;
pub use key_ref::KeyRef;
pub use owned::OwnedKey;
pub use search::search_keys;
pub use sort::sort_keys;
pub use writer::KeyWriter;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
