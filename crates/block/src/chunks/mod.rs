//! Chunks: parts of blocks, each in one owner's hands or free. Nothing here takes a lock; the memory does.

pub mod class;

mod claim;

pub(crate) mod carve;
pub(crate) mod chunk;
pub(crate) mod generation;
pub(crate) mod list;
pub(crate) mod scrub;
