//! One epoch's arena: the memory, the number and the 16-byte handle of an epoch.
//!
//! [`EpochArena`] is an arena on its own, shared by threads and reset by its owner. The pool of
//! `epoch-arena-pool` keeps many epochs at once over the same chunks and gives out
//! [`ArenaHandle`]s; keys and other layers see it through [`Resolve`].
//!
//! ```
//! use epoch_arena_block::Memory;
//! use epoch_arena_core::EpochArena;
//!
//! let arena = EpochArena::new(&Memory::builder().build()?);
//! let total: usize = std::thread::scope(|s| {
//!     let threads: Vec<_> = (0..4)
//!         .map(|t| s.spawn({
//!             let arena = &arena;
//!             move || arena.alloc_copy(format!("thread {t}").as_bytes()).map(|key| key.len())
//!         }))
//!         .collect();
//!     threads.into_iter().map(|t| t.join().unwrap().unwrap()).sum()
//! });
//! assert_eq!(arena.stats().payload, total);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `allocator-api2` | no | `&EpochArena` is an `Allocator`: `allocator_api2::vec::Vec`, hashbrown's maps and the like live in an arena |
//! | `serde` | no | [`ArenaStats`] implements `Serialize`, and so does [`Epoch`], as its number |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(clippy::multiple_unsafe_ops_per_block)]

mod ahead;
mod allocator;
mod arena;
mod copy;
mod epoch;
mod error;
mod growth;
mod handle;
#[cfg(all(test, epoch_arena_loom))]
mod models;
#[doc(hidden)]
pub mod pack;
mod stats;
mod sync;
mod traits;
mod writer;

pub use arena::EpochArena;
pub use epoch::Epoch;
pub use error::AllocError;
pub use handle::ArenaHandle;
pub use stats::ArenaStats;
pub use traits::Resolve;

/// The longest allocation that a handle can describe, in bytes: 16 MiB - 1.
pub const MAX_LEN: usize = pack::MAX_LEN;

/// The parts that the pool is built from. Not for use elsewhere: no promise of stability.
#[doc(hidden)]
pub mod raw {
    pub use crate::ahead::{ahead, prefetch};
    pub use crate::copy::copy;
    pub use crate::epoch::{EPOCHS, EpochCounter};
    pub use crate::traits::sealed::Sealed;
    pub use crate::writer::{Home, Writer, end_batch, extend_batch};
}

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
