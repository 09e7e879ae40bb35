//! See `epoch_arena_fuzz::block`.

#![cfg_attr(fuzzing, no_main)]

epoch_arena_fuzz::target!(block);
