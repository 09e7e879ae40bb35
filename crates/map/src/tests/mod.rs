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
use crate::tree::record::Record;

fn map_of(first: usize, page: usize) -> ArenaMap {
    map_in(&ArenaPool::builder().build().unwrap(), first, page)
}

fn map_in(pool: &ArenaPool, first: usize, page: usize) -> ArenaMap {
    ArenaMap::with_shape(pool, Shape { first, page }).unwrap()
}

/// A record has 32 bits for each length.
#[test]
fn what_is_too_long_for_a_record_has_no_size() {
    const LONG: usize = u32::MAX as usize;
    assert_eq!(Record::size(3, 4), Some(16 + 3 + 4));
    for (key, value) in [(LONG, 0), (0, LONG), (LONG + 1, 1), (1, usize::MAX)] {
        assert_eq!(Record::size(key, value), None);
    }
}
