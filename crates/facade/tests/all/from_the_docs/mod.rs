//! Programs that readers wrote from the documentation alone.

mod interner;
mod memtable;
mod mvcc;
