//! Epochs: which there are, what holds each, and how they come and go. Nothing here pins a thread.

pub(crate) mod advance;
pub(crate) mod begun;
pub(crate) mod core;
pub(crate) mod hold;
pub(crate) mod lease_entry;
pub(crate) mod lists;
pub(crate) mod retired;
pub(crate) mod slots;
