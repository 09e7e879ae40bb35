//! Tests of the map with small pages, and of what writers do step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod histories;
mod leaves;
mod model;
pub(crate) mod parked;
mod threads;

use epoch_arena_pool::ArenaPool;

use crate::ArenaMap;
use crate::map::Shape;

fn map_of(first: usize, page: usize) -> ArenaMap {
    map_in(&ArenaPool::builder().build().unwrap(), first, page)
}

fn map_in(pool: &ArenaPool, first: usize, page: usize) -> ArenaMap {
    ArenaMap::with_shape(pool, Shape { first, page }).unwrap()
}
