//! The tree: leaves that hold records in order, and inner pages that lead to them. It allocates nothing.

pub(crate) mod entries;
pub(crate) mod index;
mod inner;
pub(crate) mod key;
pub(crate) mod leaf;
pub(crate) mod page;
pub(crate) mod place;
pub(crate) mod record;
