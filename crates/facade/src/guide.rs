#![doc = include_str!("guide/index.md")]

#[doc = include_str!("guide/pool_arena_or_map.md")]
pub mod pool_arena_or_map {}

#[doc = include_str!("guide/choose_retained_epochs.md")]
pub mod choose_retained_epochs {}

#[doc = include_str!("guide/pin_per_batch.md")]
pub mod pin_per_batch {}

#[doc = include_str!("guide/hold_a_snapshot.md")]
pub mod hold_a_snapshot {}

#[doc = include_str!("guide/bytes.md")]
pub mod bytes {}

#[doc = include_str!("guide/flush_an_epoch.md")]
pub mod flush_an_epoch {}

#[doc = include_str!("guide/typed_keys.md")]
pub mod typed_keys {}

#[doc = include_str!("guide/many_small_trees.md")]
pub mod many_small_trees {}

#[doc = include_str!("guide/build_an_index.md")]
pub mod build_an_index {}

#[doc = include_str!("guide/bound_the_memory.md")]
pub mod bound_the_memory {}

#[doc = include_str!("guide/size_it.md")]
pub mod size_it {}

#[doc = include_str!("guide/find_a_stall.md")]
pub mod find_a_stall {}

#[doc = include_str!("guide/watch_it.md")]
pub mod watch_it {}

#[doc = include_str!("guide/metrics.md")]
pub mod metrics {}

#[doc = include_str!("guide/bring_your_own_collector.md")]
pub mod bring_your_own_collector {}

#[doc = include_str!("guide/from_malloc.md")]
pub mod from_malloc {}

#[doc = include_str!("guide/from_bumpalo.md")]
pub mod from_bumpalo {}
