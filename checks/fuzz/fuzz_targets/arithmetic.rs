//! See `epoch_arena_fuzz::arithmetic`.

#![cfg_attr(fuzzing, no_main)]

epoch_arena_fuzz::target!(arithmetic);
