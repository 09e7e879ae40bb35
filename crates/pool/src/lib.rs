//! Epochs of arenas: bump-speed writes from every thread, handles that cannot dangle, and
//! reclamation of a whole epoch at once, decided by crossbeam-epoch guards.
//!
//! ```
//! use epoch_arena_pool::ArenaPool;
//!
//! let pool = ArenaPool::builder().build()?; // two epochs retained
//! let handle = pool.pin().alloc_copy(b"user:12345:profile")?;
//! assert_eq!(pool.pin().get(handle), Some(&b"user:12345:profile"[..]));
//!
//! pool.advance()?;
//! pool.advance()?; // the handle's epoch is retired; no thread is pinned, so it is reclaimed too
//! assert!(pool.pin().get(handle).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two things are called epoch. Here it is a generation of values: [`Epoch`], opened by
//! [`ArenaPool::advance`]. crossbeam-epoch's is a grace period that decides when no thread can
//! look any more; it is never seen here.
//!
//! The whole public interface is safe, but for [`UninitBytes::assume_init`]. Why it is sound is
//! written in `docs/reclamation.md` of the repository.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `bytes` | no | `From<OwnedBytes>` for `bytes::Bytes`, without a copy |
//! | `serde` | no | `Serialize` for [`PoolStats`], [`MaintainReport`], [`ArenaStats`] and what is in them |
//! | `stable_deref_trait` | no | `StableDeref` and `CloneStableDeref` for [`OwnedBytes`], for `yoke`, `owning_ref` and the like |
//! | `tracing` | no | events for subscribers, target `epoch_arena`: advance, retire, reclaim, trim, and refusals |
//!
//! A subscriber is told with no lock held, never by what runs in a reader's pin, and may use the
//! pool.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod domain;
#[cfg(all(test, epoch_arena_loom, crossbeam_loom))]
mod end_to_end;
mod epochs;
mod error;
mod grace;
mod guard;
mod lease;
mod local;
#[cfg(all(test, epoch_arena_loom))]
mod models;
mod owned;
mod pool;
mod report;
mod sync;
mod trace;

pub use crossbeam_epoch;
pub use epoch_arena_block::{Alignment, Memory, MemoryError, MemoryUsage, OverBudget};
pub use epoch_arena_core::{AllocError, ArenaHandle, ArenaStats, Epoch, Resolve};
pub use error::{
    AdvanceError, BatchFull, BuildError, ForeignGuard, PromoteError, RawError, WaitError,
};
pub use guard::ArenaGuard;
pub use guard::batch::Batch;
pub use guard::uninit::UninitBytes;
pub use guard::writer::BytesWriter;
pub use lease::{Lease, Snapshot};
pub use owned::OwnedBytes;
pub use pool::ArenaPool;
pub use pool::builder::PoolBuilder;
pub use pool::local_pool::LocalPool;
pub use report::held::EpochBytes;
pub use report::lease_info::LeaseInfo;
pub use report::pin_info::PinInfo;
pub use report::stats::{MaintainReport, PoolStats};

/// What the layers above share with this one. Not for use elsewhere: no promise of stability.
#[doc(hidden)]
pub mod raw {
    pub use epoch_arena_core::raw::prefetch;
}

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
