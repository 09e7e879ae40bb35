//! `&EpochArena` as an allocator: collections live in it across chunks, and threads share it.

use std::alloc::Layout;

use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use epoch_arena_block::{Heap, Memory};
use epoch_arena_core::EpochArena;
use hashbrown::{DefaultHashBuilder, HashMap};

use crate::rng::Rng;
use crate::small_memory;

type Map<'a, K, V> = HashMap<K, V, DefaultHashBuilder, &'a EpochArena>;

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// Bytes given back are no payload, and ended allocations are not counted.
#[test]
fn figures_follow_what_grows_shrinks_and_goes() {
    let arena = EpochArena::new(&small_memory());
    let figures = || {
        let stats = arena.stats();
        (stats.allocations, stats.payload)
    };
    let mut numbers: Vec<u64, &EpochArena> = Vec::with_capacity_in(4, &arena);
    numbers.extend(0..4);
    let first = numbers.as_ptr();
    assert_eq!(figures(), (1, 32));
    numbers.reserve_exact(4);
    assert_eq!((figures(), numbers.as_ptr()), ((1, 64), first));
    let last = Box::new_in([1_u8; 8], &arena);
    assert_eq!(figures(), (2, 72));
    drop(last);
    numbers.shrink_to_fit();
    assert_eq!((figures(), numbers.as_ptr()), ((1, 32), first));
    assert!(numbers.iter().copied().eq(0..4));
    drop(numbers);
    assert_eq!(figures(), (0, 0));
}

#[test]
fn a_map_and_its_values_live_in_an_arena_of_many_chunks() {
    let memory = small_memory();
    let mut arena = EpochArena::new(&memory);
    let count = if cfg!(miri) { 60 } else { 3_000_u32 };
    let (mut sum, mut reserved) = (0, 0);
    for epoch in 0..5 {
        let mut map: Map<'_, u32, Vec<u8, &EpochArena>> = HashMap::new_in(&arena);
        for key in 0..count {
            map.entry(key % (count / 2))
                .or_insert_with(|| Vec::new_in(&arena))
                .extend_from_slice(&key.to_be_bytes());
        }
        for (key, value) in &map {
            let second = key + count / 2;
            assert_eq!(value[..4], key.to_be_bytes());
            assert_eq!(value[4..], second.to_be_bytes());
        }
        sum += map.len();
        drop(map);
        arena.reset();
        // The same load needs the same memory, once the chunks are split for it.
        assert!(epoch < 2 || memory.stats().reserved == reserved);
        reserved = memory.stats().reserved;
    }
    assert_eq!(sum, 5 * (count / 2) as usize);
}

/// Bytes given back in a chunk that the arena has left stay where they are, and do no harm.
#[test]
fn what_goes_in_a_chunk_that_was_left_goes_at_the_reset() {
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    let old = Box::new_in([1_u8; 100], &arena);
    let chunks = arena.stats().chunks;
    let mut fill = std::vec::Vec::new();
    while arena.stats().chunks == chunks {
        fill.push(Box::new_in([2_u8; 1000], &arena));
    }
    let before = arena.stats();
    drop(old);
    let after = arena.stats();
    assert_eq!((after.used, after.capacity), (before.used, before.capacity));
    let gone = (before.allocations - 1, before.payload - 100);
    assert_eq!(
        (after.allocations, after.payload),
        gone,
        "counted all the same"
    );
    let mut grows = Vec::new_in(&arena);
    let half = if cfg!(miri) { 3_000 } else { 50_000 };
    grows.extend_from_slice(&vec![3_u8; half]); // more than the chunk has
    grows.extend_from_slice(&vec![4; half]); // and again
    assert!(fill.iter().all(|bytes| **bytes == [2; 1000]));
    assert_eq!((grows[half - 1], grows[half]), (3, 4));
}

/// A chunk's end is the end: not a byte of the next chunk's header is taken.
#[test]
fn what_grows_byte_by_byte_moves_at_the_end_of_its_chunk() {
    let arena = EpochArena::new(&small_memory());
    let mut bytes = Vec::new_in(&arena);
    let (mut places, count) = (vec![], if cfg!(miri) { 4_500 } else { 20_000 });
    for number in 0..count {
        bytes.reserve_exact(1);
        bytes.push(number as u8);
        places.push(bytes.as_ptr());
        if number > 4_000 {
            let stats = arena.stats();
            assert!(stats.used <= stats.capacity, "{number}: {stats:?}");
        }
    }
    assert!(
        (0..count)
            .zip(&bytes)
            .all(|(number, byte)| number as u8 == *byte)
    );
    places.dedup();
    assert!(
        (2..20).contains(&places.len()),
        "moved {} times",
        places.len()
    );
}

/// It moves only when its chunk is full to the last byte.
#[test]
fn what_grows_stays_where_it_is_until_its_chunk_is_full() {
    let arena = EpochArena::new(&small_memory());
    let mut bytes = Vec::with_capacity_in(1, &arena);
    let place = bytes.as_ptr();
    let mut before = arena.stats();
    loop {
        bytes.reserve_exact(1);
        if bytes.as_ptr() != place {
            break;
        }
        bytes.push(7_u8);
        before = arena.stats();
        assert_eq!((before.chunks, before.payload), (1, bytes.capacity()));
    }
    assert_eq!(before.used, before.capacity, "{before:?}");
}

#[test]
fn what_is_refused_changes_nothing() {
    let builder = Memory::builder().source(Heap).block_size(64 << 10);
    let memory = builder.budget(64 << 10).build().unwrap();
    let arena = EpochArena::new(&memory);
    let mut kept: Vec<u8, &EpochArena> = Vec::new_in(&arena);
    kept.extend_from_slice(&[7; 1000]);
    let before = arena.stats();
    for size in [1 << 24, isize::MAX as usize, 1 << 20] {
        assert!((&arena).allocate(bytes(size)).is_err());
        assert!(kept.try_reserve_exact(size - 1000).is_err());
    }
    assert_eq!((arena.stats(), &kept[..]), (before, &[7; 1000][..]));
}

/// An empty allocation may be anywhere.
#[test]
fn empty_values_take_nothing_and_may_go() {
    let arena = EpochArena::new(&small_memory());
    drop(Box::new_in((), &arena)); // before there is a chunk
    let key = arena.alloc_copy(b"key").unwrap();
    drop(Box::new_in((), &arena));
    let by = &arena;
    let empty = by.allocate(bytes(0)).unwrap().cast();
    // SAFETY: allocated with nothing.
    let grown = unsafe { by.grow(empty, bytes(0), bytes(5)) }.unwrap();
    assert_eq!((grown.len(), &*key), (5, &b"key"[..]));
    assert_eq!(arena.stats().payload, 8);
}

/// Only a reference allocates, and a reset needs more than that.
#[test]
fn the_owner_of_the_memory_is_no_allocator() {
    static_assertions::assert_impl_all!(&'static EpochArena: Allocator, Copy, Send, Sync);
    static_assertions::assert_not_impl_any!(EpochArena: Allocator);
    let mut arena = EpochArena::new(&small_memory());
    let mut kept = Vec::new_in(&arena);
    kept.push(1);
    // Forgotten, so that it never gives back; the reset does not need it to.
    std::mem::forget(kept);
    arena.reset();
    assert_eq!(arena.stats().payload, 0);
}

/// Bytes pass from thread to thread all the time, as collections go, and chunks fill up meanwhile.
#[test]
fn threads_share_an_arena_through_their_collections() {
    let (threads, rounds) = if cfg!(miri) { (3, 5) } else { (4, 400) };
    let mut arena = EpochArena::new(&small_memory());
    std::thread::scope(|s| {
        for thread in 0..threads {
            let arena = &arena;
            s.spawn(move || {
                let mut rng = Rng::new(thread);
                let mut kept: Vec<Vec<u64, &EpochArena>, &EpochArena> = Vec::new_in(arena);
                for round in 0..rounds {
                    let value = thread << 32 | round;
                    let mut numbers = Vec::new_in(arena);
                    numbers.extend((0..rng.below(60)).map(|_| value));
                    numbers.push(value);
                    numbers.shrink_to_fit();
                    assert!(numbers.iter().all(|number| *number == value));
                    if rng.below(4) == 0 {
                        kept.push(numbers);
                    }
                    // Aligned, so that some have padding before them.
                    let aligned = Box::new_in(u128::from(value), arena);
                    assert_eq!(*aligned, u128::from(value));
                }
                for numbers in &kept {
                    assert!(numbers.iter().all(|number| number >> 32 == thread));
                    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]));
                }
            });
        }
    });
    let stats = arena.stats();
    assert!(stats.payload <= stats.used && stats.used <= stats.capacity);
    arena.reset();
    assert_eq!(arena.stats().payload, 0);
}

/// Figures are read while allocations end that are not the last of their chunk.
#[test]
fn figures_stay_within_the_chunks_while_allocations_end() {
    let arena = EpochArena::new(&small_memory());
    std::thread::scope(|s| {
        let writer = s.spawn(|| {
            for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
                let not_last = Box::new_in([1_u8; 10], &arena);
                let last = Box::new_in([2_u8; 10], &arena);
                drop(not_last);
                drop(last);
            }
        });
        while !writer.is_finished() {
            let stats = arena.stats();
            assert!(stats.payload <= stats.used, "{stats:?}");
            assert!(stats.allocations <= stats.used / 10, "{stats:?}");
        }
    });
    assert_eq!((arena.stats().allocations, arena.stats().payload), (0, 0));
}

/// The length of a handle is no limit of an arena: collections may be as large as the memory.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn a_vector_and_a_map_grow_beyond_sixteen_mebibytes() {
    let memory = Memory::builder().build().unwrap();
    let mut arena = EpochArena::new(&memory);
    let mut numbers: Vec<u64, &EpochArena> = Vec::new_in(&arena);
    numbers.extend(0..3 << 20); // 24 MiB
    assert!(numbers.iter().copied().eq(0..3 << 20));
    let mut map: Map<'_, u32, [u32; 5]> = HashMap::new_in(&arena);
    for key in 0..1_000_000 {
        map.insert(key, [key; 5]); // 24 bytes each, and room for more
    }
    assert!((0..1_000_000).step_by(997).all(|key| map[&key] == [key; 5]));
    drop((numbers, map));
    assert_eq!((arena.stats().allocations, arena.stats().payload), (0, 0));
    arena.reset();
    assert_eq!(memory.stats().in_use, 0);
}

/// Every way for an allocation to begin, to change and to end: the counts are right.
#[test]
fn counts_are_exact_whatever_becomes_of_an_allocation() {
    let arena = EpochArena::new(&small_memory());
    let by = &arena;
    let counts = || (arena.stats().allocations, arena.stats().payload);
    let mut expected = (0, 0);
    for size in [1, 8, 100, 3_000, 9_000, 30_000, 100_000] {
        let at = by.allocate(bytes(size)).unwrap().cast();
        assert_eq!(
            counts(),
            (expected.0 + 1, expected.1 + size),
            "{size} bytes"
        );
        // SAFETY: allocated above, with this layout; and so on for each step below.
        let at = unsafe { by.grow(at, bytes(size), bytes(size + 7)) }
            .unwrap()
            .cast();
        assert_eq!(counts(), (expected.0 + 1, expected.1 + size + 7), "grown");
        let other = by.allocate(bytes(5)).unwrap().cast::<u8>();
        // SAFETY: as above. It is not the last one any more, if they are in one chunk.
        let at = unsafe { by.grow(at, bytes(size + 7), bytes(size + 9)) }
            .unwrap()
            .cast();
        assert_eq!(
            counts(),
            (expected.0 + 2, expected.1 + size + 14),
            "grown behind another"
        );
        // SAFETY: as above.
        let at = unsafe { by.shrink(at, bytes(size + 9), bytes(size)) }
            .unwrap()
            .cast();
        assert_eq!(counts(), (expected.0 + 2, expected.1 + size + 5), "shrunk");
        // SAFETY: as above.
        let at = unsafe { by.shrink(at, bytes(size), bytes(0)) }
            .unwrap()
            .cast();
        assert_eq!(
            counts(),
            (expected.0 + 1, expected.1 + 5),
            "shrunk to nothing"
        );
        // SAFETY: as above.
        let at = unsafe { by.grow(at, bytes(0), bytes(3)) }.unwrap().cast();
        assert_eq!(
            counts(),
            (expected.0 + 2, expected.1 + 8),
            "grown from nothing"
        );
        // SAFETY: as above, for the last time.
        unsafe { by.deallocate(at, bytes(3)) };
        let nothing = by.allocate(bytes(0)).unwrap().cast::<u8>();
        // SAFETY: as above.
        unsafe { by.deallocate(nothing, bytes(0)) };
        assert_eq!(counts(), (expected.0 + 1, expected.1 + 5), "given back");
        // Given back by another thread, which has another chunk.
        let other = other.addr();
        let away = by.allocate(bytes(size)).unwrap().cast::<u8>();
        let away = Away(away);
        std::thread::scope(|s| {
            s.spawn(move || {
                let Away(away) = { away };
                // SAFETY: allocated above, and given to this thread.
                unsafe { by.deallocate(away, bytes(size)) };
            });
        });
        assert!(other.get() > 0);
        expected = (expected.0 + 1, expected.1 + 5);
        assert_eq!(counts(), expected, "given back from elsewhere");
    }
}

/// An allocation that another thread gives back.
struct Away(std::ptr::NonNull<u8>);

// SAFETY: the bytes are its owner's alone.
unsafe impl Send for Away {}

/// A value that grows in a region of its own stays there as long as there is room, and its bytes serve the next value
/// once they are given back.
#[test]
fn a_region_for_one_value_is_used_to_its_end_and_again() {
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    let mut bytes: Vec<u8, &EpochArena> = Vec::with_capacity_in(40_000, &arena);
    bytes.extend_from_slice(&[1; 40_000]);
    let (first, chunks) = (bytes.as_ptr(), arena.stats().chunks);
    bytes.reserve_exact(500); // to the end of the page
    assert_eq!((bytes.as_ptr(), arena.stats().chunks), (first, chunks));
    drop(bytes);
    for _ in 0..10 {
        let bytes = Box::new_in([2_u8; 40_000], &arena);
        assert_eq!(bytes.as_ptr(), first);
    }
    assert_eq!(arena.stats().chunks, chunks);
}
