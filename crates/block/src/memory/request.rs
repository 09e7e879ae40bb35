//! What an owner asks a memory for.

use super::usage::Account;
use crate::chunks::class::Class;
use crate::chunks::list::ChunkList;

/// A request of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A chunk of `wanted`, or of a class down to `least` before it is refused.
    Chunk {
        /// The class to take if there is a choice.
        wanted: Class,
        /// The class that is just enough.
        least: Class,
        /// Whether it has whole pages to itself, as they are confined some day.
        confined: bool,
    },
    /// A region of its own, for one value.
    Alone(
        /// Bytes of the value and its header, rounded up to whole pages.
        usize,
    ),
}

impl Request {
    /// Bytes that are just enough.
    pub(super) fn least(self) -> usize {
        match self {
            Self::Chunk { least, .. } => least.size(),
            Self::Alone(size) => size,
        }
    }
}

/// An owner of chunks: the list they go on, and the account that they are charged to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The list.
    pub chunks: &'a ChunkList,
    /// The account.
    pub account: &'a Account,
}
