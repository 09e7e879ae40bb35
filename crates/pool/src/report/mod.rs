//! Reports: what a pool has, and what holds it back, in figures and in a few lines of text.

pub(crate) mod held;
pub(crate) mod lease_info;
pub(crate) mod pin_info;
mod plural;
pub(crate) mod stats;
