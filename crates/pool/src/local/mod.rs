//! A thread in a pool: its state there, how it finds that, and how it pins by it.

pub(crate) mod pinned;
pub(crate) mod registry;
pub(crate) mod state;
mod states;
