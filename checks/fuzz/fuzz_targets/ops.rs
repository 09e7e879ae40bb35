//! See `epoch_arena_fuzz::ops`.

#![cfg_attr(fuzzing, no_main)]

epoch_arena_fuzz::target!(ops);
