//! Chunks: parts of blocks. Each has one owner, or is free. The memory takes the lock; only a generation in quarantine
//! has one of its own.

pub mod class;

mod claim;

pub(crate) mod carve;
pub(crate) mod chunk;
pub(crate) mod generation;
pub(crate) mod list;
pub(crate) mod scrub;
