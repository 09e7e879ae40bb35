//! Memory in blocks: a [`Block`] is fixed memory with a lock-free bump that many threads share,
//! and [`Memory`] is where blocks come from and go back to, under one budget.
//!
//! ```
//! use epoch_arena_block::{Block, Memory};
//! use std::alloc::Layout;
//!
//! // A block on its own: 64 KiB from the heap, bumped by any number of threads.
//! let block = Block::new(Layout::from_size_align(64 << 10, 4096)?)?;
//! let key: &mut [u8] = block.alloc_copy(b"user:12345")?;
//! assert_eq!(key, b"user:12345");
//!
//! // Blocks under a budget: anonymous maps, recycled, exact to the byte.
//! let memory = Memory::builder().budget(64 << 20).build()?;
//! let block = memory.block(1)?;
//! assert_eq!(memory.stats().in_use, memory.block_size());
//! drop(block); // back to `memory`, ready for the next taker
//! assert_eq!(memory.stats().free, memory.block_size());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate knows nothing of epochs and can be used alone. The rest of epoch-arena carves its
//! chunks from these blocks.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `std` | yes | [`Memory`]; without it the crate is `no_std` and has [`Block`], [`Source`] and [`Heap`] |
//! | `mmap` | yes | `AnonymousMap` (huge pages) and `TempFile` (larger than memory) |
//! | `allocator-api2` | no | `&Block` is an `Allocator`: `allocator_api2::vec::Vec`, hashbrown's maps and the like live in a block |
//!
//! # Guarantees
//!
//! - Every size computation is checked; a request that cannot be met is an error and changes
//!   nothing, and a counter never creeps on repeated failure.
//! - Alignment is the address's, for every power of two.
//! - A source that fails is an error, never an abort.
//! - [`Memory`]'s reserved bytes never exceed its budget, not even for a moment under a race.
//!
//! It does *not* run destructors, and does not free single allocations, but for the last one of a
//! collection's that allocates by `&Block`: a block is given up whole.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(clippy::multiple_unsafe_ops_per_block)]

extern crate alloc;

#[cfg(feature = "allocator-api2")]
mod allocator;
mod block;
mod borrowed;
#[doc(hidden)]
pub mod bump;
mod bytes;
#[cfg(feature = "std")]
mod chunks;
#[cfg(all(feature = "std", epoch_arena_count))]
#[doc(hidden)]
pub mod count;
mod error;
#[cfg(feature = "std")]
mod lane;
#[cfg(feature = "std")]
mod memory;
#[cfg(all(test, epoch_arena_loom))]
mod models;
mod os;
mod region;
#[doc(hidden)]
pub mod resize;
#[doc(hidden)]
pub mod shadow;
mod source;
mod sync;
#[cfg(all(feature = "std", epoch_arena_loom))]
#[doc(hidden)]
pub mod twin;

#[cfg(feature = "allocator-api2")]
pub use allocator_api2;
pub use block::Block;
pub use borrowed::BorrowedBlock;
pub use bump::{Alignment, BadAlignment};
#[doc(hidden)]
pub use bytes::{Bytes, Count};
pub use error::{BlockFull, MemoryConfigError, MemoryError, OverBudget, SourceError};
#[cfg(feature = "std")]
pub use memory::{
    DEFAULT_BLOCK_SIZE, DEFAULT_HIGH_WATER, Memory, MemoryBuilder, MemoryStats, MemoryUsage,
    MemoryUser, UserKind,
};
pub use region::Region;
#[cfg(feature = "mmap")]
pub use source::{AnonymousMap, TempFile};
pub use source::{Heap, Pages, Source};

/// The parts for arenas and pools. Not for use elsewhere: no promise of stability.
#[doc(hidden)]
#[cfg(feature = "std")]
pub mod raw {
    pub use crate::chunks::chunk::{Chunk, Live};
    pub use crate::chunks::class::{Class, SMALLEST, header_of, region_size};
    pub use crate::chunks::generation::Generation;
    pub use crate::chunks::list::{ChunkList, Usage};
    pub use crate::chunks::scrub::Scrub;
    pub use crate::lane::{LANES, own_lane};
    #[cfg(feature = "serde")]
    pub use crate::memory::serialize_place;
    pub use crate::memory::{Account, Owner, Request};
}

/// The README's examples, as tests; one of them needs the feature.
#[cfg(all(doctest, feature = "allocator-api2", feature = "mmap"))]
#[doc = include_str!("../README.md")]
struct Readme;
