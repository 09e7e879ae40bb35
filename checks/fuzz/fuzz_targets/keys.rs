//! See `epoch_arena_fuzz::keys`.

#![cfg_attr(fuzzing, no_main)]

epoch_arena_fuzz::target!(keys);
