//! See `epoch_arena_fuzz::map`.

#![cfg_attr(fuzzing, no_main)]

epoch_arena_fuzz::target!(map);
