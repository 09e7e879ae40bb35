//! loom models of the pages, with their broken twins.
