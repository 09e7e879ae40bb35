//! A concurrent arena for keys, and any other byte strings, that expire together.
//!
//! ```
//! use epoch_arena::{ArenaKey, ArenaPool};
//!
//! let pool = ArenaPool::builder().retained_epochs(4).build()?;
//!
//! let guard = pool.pin();
//! let key = ArenaKey::copy_from(b"user:12345:profile", &guard)?; // 24 bytes, `Copy`
//! assert_eq!(key.resolve(&guard).unwrap().as_bytes(), b"user:12345:profile");
//! drop(guard);
//!
//! for _ in 0..4 {
//!     pool.advance()?; // opens an epoch, and retires the oldest
//! }
//! assert!(key.resolve(&pool.pin()).is_none()); // expired: `None`, never dangling
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For authors of memtables, MVCC stores, caches and in-memory indexes: many threads write and read
//! millions of small keys, which become garbage a generation at a time, while others go on reading.
//! Writing a key bumps the thread's own chunk, without a shared write. Reading one is a load and a
//! compare. An epoch's memory is reused once no guard and no lease can see it, and reclaiming it
//! costs the same for ten keys as for ten million, unless its bytes must be overwritten.
//!
//! The [guide] has a page for each question, the [glossary] explains the words, and the [faq] has
//! short answers.
//!
//! # A tour
//!
//! **Epochs.** An [`ArenaPool`] is always in one [`Epoch`]. Writes go there. [`advance`] opens
//! the next; the pool keeps as many as [`retained_epochs`] says, and retires the oldest. (An epoch
//! of crossbeam-epoch is another thing: it counts grace periods and is never seen here.)
//!
//! **Guards.** A thread reads and writes under an [`ArenaGuard`], from [`pin`]: pin once for a
//! batch of operations. While it is pinned, no memory that it can see is reclaimed. A guard is
//! `!Send`, as a pin belongs to its thread. If you have a guard of crossbeam-epoch anyway, as with
//! `crossbeam_skiplist`, [`pin_with`] pins beside it:
//!
//! ```
//! use epoch_arena::{ArenaPool, crossbeam_epoch};
//! let pool = ArenaPool::builder()
//!     .collector(crossbeam_epoch::default_collector().clone())
//!     .build()?;
//! let yours = crossbeam_epoch::pin();
//! let guard = pool.pin_with(&yours)?;
//! let handle = guard.alloc_copy(b"one guard for both")?;
//! assert_eq!(guard.get(handle), Some(&b"one guard for both"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Handles.** A write gives an [`ArenaHandle`]: 16 bytes, `Copy`, `Send`, `'static`, to be stored
//! anywhere. It resolves to its bytes while its epoch is live, to `None` afterwards, and
//! always to `None` in any other pool. It cannot dangle.
//!
//! **Keys.** An [`ArenaKey`] is a handle with the key's first eight bytes. Resolved, it is a
//! [`KeyRef`], which compares and hashes as its bytes do. An [`OwnedKey`] holds its epoch, for
//! maps that want `Ord + 'static`. Keys of more than 256 bytes, or aligned ones, come from a
//! [`KeyWriter`].
//!
//! **Leases.** A guard is not a snapshot, and should be short. A [`Lease`] holds one epoch
//! without a pin, a [`Snapshot`] all live ones, for as long as you like, on any thread, across
//! `.await`. The last one to go frees the epoch. [`OwnedBytes`], from a lease, are the bytes of one
//! handle with such a hold.
//!
//! ```
//! # use epoch_arena::ArenaPool;
//! let pool = ArenaPool::builder().build()?;
//! let handle = pool.pin().alloc_copy(b"kept")?;
//! let lease = pool.lease(handle.epoch()).expect("it is live");
//! for _ in 0..10 {
//!     pool.advance()?;
//! }
//! assert!(pool.pin().get(handle).is_none());
//! assert_eq!(lease.get(handle), Some(&b"kept"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **A map.** An [`ArenaMap`] is ordered, concurrent and versioned, and lives in one epoch, index
//! and all: what a storage engine calls a memtable. Readers wait for no writer, and dropping it
//! takes constant time:
//!
//! ```
//! use epoch_arena::{ArenaMap, ArenaPool};
//! let pool = ArenaPool::builder().build()?;
//! let map = ArenaMap::new(&pool)?;
//! map.insert(b"user:1", 1, b"ann")?; // key, version, value
//! map.insert(b"user:1", 2, b"anna")?;
//! assert_eq!(map.get(b"user:1", 1).unwrap().value(), b"ann"); // as of version 1
//! let next = map.rotate()?; // frozen; writers go to the next one
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Memory.** A pool takes chunks, from 512 bytes, from a [`Memory`]: a source of blocks of 2 MiB
//! (heap, maps with huge pages, temporary files), a budget that is never exceeded, and a mark up
//! to which free blocks are kept. Any number of pools and arenas can share one, to the chunk.
//! [`maintain`], called now and then from a thread of your choice, gives free blocks back, and
//! reports the threads and leases that hold memory:
//!
//! ```
//! use epoch_arena::{ArenaPool, Memory};
//! let memory = Memory::builder().budget(4 << 20).build()?;
//! let pool = ArenaPool::builder().memory(memory).build()?;
//! let refused = loop {
//!     if let Err(refused) = pool.pin().alloc_copy(&[0; 1000]) {
//!         break refused;
//!     }
//! };
//! let over = refused.over_budget().ok_or(refused)?;
//! assert_eq!(over.used, over.budget);
//! pool.advance()?;
//! pool.advance()?; // the full epoch is retired, its memory reused
//! assert!(pool.pin().alloc_copy(&[0; 1000]).is_ok());
//! println!("{}", pool.stats());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Collections.** With the feature `allocator-api2`, a `&EpochArena` and a `&Block` are allocators:
//! `allocator_api2::vec::Vec`, hashbrown's maps and the like live in them.
//!
//! **Errors.** Each part has an error of its own, small and `Copy`, whose message names the limit
//! and the way out. All of them turn into [`Error`] by `?`, for functions that call several parts;
//! [`Error::over_budget`] has the figures of a refusal.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `allocator-api2` | no | `&EpochArena` and `&Block` are allocators |
//! | `bytes` | no | `From<OwnedBytes>` for `bytes::Bytes`, without a copy: [`guide::bytes`] |
//! | `serde` | no | `Serialize` for the figures |
//! | `stable_deref_trait` | no | `StableDeref` and `CloneStableDeref` for [`OwnedBytes`] |
//! | `tracing` | no | events for subscribers: advance, retire, reclaim, trim, and refusals |
//!
//! [`guide::watch_it`] shows `serde` and `tracing`.
//!
//! # Layers
//!
//! | crate | what | uses |
//! |---|---|---|
//! | `epoch-arena` | re-exports, this tour and the [guide] | all |
//! | `epoch-arena-map` | [`ArenaMap`], an ordered map in an epoch | pool |
//! | `epoch-arena-key` | [`ArenaKey`], [`KeyRef`], [`OwnedKey`] | pool |
//! | `epoch-arena-pool` | [`ArenaPool`], guards, leases, reclamation | core, block, crossbeam-epoch |
//! | `epoch-arena-core` | [`EpochArena`], [`ArenaHandle`] | block |
//! | `epoch-arena-block` | [`Block`], [`Memory`], chunks, sources | |
//!
//! [`advance`]: ArenaPool::advance
//! [`maintain`]: ArenaPool::maintain
//! [`pin`]: ArenaPool::pin
//! [`pin_with`]: ArenaPool::pin_with
//! [`retained_epochs`]: PoolBuilder::retained_epochs

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod error;
pub mod guide;

#[doc = include_str!("glossary.md")]
pub mod glossary {}

#[doc = include_str!("faq.md")]
pub mod faq {}

#[cfg(feature = "allocator-api2")]
pub use epoch_arena_block::allocator_api2;
#[cfg(epoch_arena_count)]
#[doc(hidden)]
pub use epoch_arena_block::count;
pub use epoch_arena_block::{
    Alignment, AnonymousMap, BadAlignment, Block, BlockFull, BorrowedBlock, Heap, Memory,
    MemoryBuilder, MemoryConfigError, MemoryError, MemoryStats, MemoryUsage, MemoryUser,
    OverBudget, Pages, Region, Source, SourceError, TempFile, UserKind,
};
pub use epoch_arena_core::{
    AllocError, ArenaHandle, ArenaStats, Epoch, EpochArena, MAX_LEN, Resolve,
};
pub use epoch_arena_key::{
    ArenaKey, KeyError, KeyRef, KeyWriter, OwnedKey, search_keys, sort_keys,
};
/// The map and its types, under their own name.
#[doc(inline)]
pub use epoch_arena_map as map;
pub use epoch_arena_map::{
    ArenaMap, Entry, InsertError, MapError, OwnedEntry, Range, RangeAt, Writer,
};
pub use epoch_arena_pool::{
    AdvanceError, ArenaGuard, ArenaPool, Batch, BatchFull, BuildError, BytesWriter, EpochBytes,
    ForeignGuard, Lease, LeaseInfo, LocalPool, MaintainReport, OwnedBytes, PinInfo, PoolBuilder,
    PoolStats, PromoteError, RawError, Snapshot, UninitBytes, WaitError, crossbeam_epoch,
};
pub use error::Error;

/// The examples of both READMEs, the repository's and the crate's, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../README.md")]
struct Readme;
