//! `&Block` as an allocator: collections live in it, alone and shared by threads, and each of the
//! trait's methods agrees with a model.

use std::alloc::Layout;
use std::hash::BuildHasherDefault;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use epoch_arena_block::{Block, Heap, Memory};
use hashbrown::{DefaultHashBuilder, HashMap};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::rng::Rng;

type Map<'b, K, V> = HashMap<K, V, DefaultHashBuilder, &'b Block>;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn block(size: usize) -> Block {
    Block::new(layout(size, 4096)).unwrap()
}

#[test]
fn a_vector_that_grows_alone_stays_where_it_is() {
    let block = block(1 << 16);
    let mut numbers: Vec<u64, &Block> = Vec::new_in(&block);
    numbers.push(0);
    let first = numbers.as_ptr();
    for number in 1..1000 {
        numbers.push(number);
        assert_eq!(block.used(), numbers.capacity() * 8);
    }
    assert_eq!(numbers.as_ptr(), first);
    numbers.truncate(10);
    numbers.shrink_to_fit();
    assert_eq!((numbers.as_ptr(), block.used()), (first, 80));
    assert!(numbers.iter().copied().eq(0..10));
    drop(numbers);
    assert_eq!(block.used(), 0);
}

/// An allocation that is not the last moves to grow, and leaves its bytes to the next reset.
#[test]
fn two_vectors_that_grow_in_turns_keep_their_values() {
    let mut block = block(1 << 18);
    let mut evens = Vec::new_in(&block);
    let mut odds = Vec::new_in(&block);
    for number in 0..1000_u32 {
        if number % 2 == 0 {
            &mut evens
        } else {
            &mut odds
        }
        .push(number);
    }
    assert!(evens.iter().copied().eq((0..1000).step_by(2)));
    assert!(odds.iter().copied().eq((1..1000).step_by(2)));
    // Twice the final size, as capacities double, for each.
    assert!(block.used() <= 2 * 4 * (evens.capacity() + odds.capacity()));
    drop((odds, evens));
    assert!(block.used() > 0);
    block.reset();
    assert_eq!(block.used(), 0);
}

#[test]
fn a_map_lives_in_a_block_and_grows() {
    let block = block(1 << 20);
    let mut map: Map<'_, u32, Vec<u8, &Block>> = HashMap::new_in(&block);
    let rounds = if cfg!(miri) { 100 } else { 2_000 };
    for number in 0..rounds {
        let mut value = Vec::new_in(&block);
        value.extend_from_slice(number.to_string().as_bytes());
        assert!(map.insert(number, value).is_none());
        if number % 3 == 0 {
            map.remove(&(number / 2));
        }
    }
    let gone = |number: u32| {
        (0..rounds)
            .step_by(3)
            .any(|by| by / 2 == number && number <= by)
    };
    for number in 0..rounds {
        let value = map.get(&number).map(|value| &value[..]);
        let expected = number.to_string();
        let expected = (!gone(number)).then_some(expected.as_bytes());
        assert_eq!(value, expected, "{number}");
    }
    map.shrink_to_fit();
    assert!(map.values().all(|value| !value.is_empty()));
}

/// Destructors run, as everywhere, and give the bytes back in turn.
#[test]
fn boxes_drop_what_they_hold_last_first() {
    let block = block(4096);
    let text = std::rc::Rc::new("shared");
    let one = Box::new_in(text.clone(), &block);
    let two = Box::new_in((text.clone(), 1_u8), &block);
    assert_eq!((std::rc::Rc::strong_count(&text), two.1), (3, 1));
    drop(two);
    drop(one);
    assert_eq!((std::rc::Rc::strong_count(&text), block.used()), (1, 0));
    let nothing = Box::new_in((), &block);
    assert_eq!((*nothing, block.used()), ((), 0));
}

#[test]
fn a_full_block_is_an_error_and_everything_is_as_it_was() {
    let block = block(1024);
    let mut bytes: Vec<u8, &Block> = Vec::new_in(&block);
    bytes.extend_from_slice(&[7; 600]);
    let used = block.used();
    for _ in 0..1000 {
        assert!(bytes.try_reserve_exact(1000).is_err());
        let refused = (&block).allocate(layout(usize::MAX >> 1, 1));
        assert!(refused.is_err());
    }
    assert_eq!((block.used(), &bytes[..]), (used, &[7; 600][..]));
    // Not last any more: there is no room to move to, and it stays as it was.
    let behind = Box::new_in(1_u8, &block);
    assert!(bytes.try_reserve_exact(500).is_err());
    assert_eq!((&bytes[..], *behind), (&[7; 600][..], 1));
}

/// The padding of the old place has nothing to do with the new one.
#[test]
fn a_larger_alignment_is_met_by_growing_and_by_shrinking() {
    let block = block(64 << 10);
    let by = &block;
    for shift in 0..13 {
        block.alloc(layout(1, 1)).unwrap(); // off every alignment
        let (small, large) = (layout(100, 1), layout(200, 1 << shift));
        let first = by.allocate(small).unwrap().cast::<u8>();
        // SAFETY: allocated just now.
        unsafe { first.write_bytes(7, 100) };
        // SAFETY: allocated with `small`, which is smaller.
        let grown = unsafe { by.grow(first, small, large) }.unwrap();
        assert_eq!((grown.len(), grown.addr().get() % (1 << shift)), (200, 0));
        // SAFETY: its first bytes are those of `first`.
        let bytes = unsafe { std::slice::from_raw_parts(grown.cast::<u8>().as_ptr(), 100) };
        assert_eq!(bytes, [7; 100]);
        let (from, to) = (layout(200, 1 << shift), layout(50, 2 << shift));
        // SAFETY: allocated with `from`, which is larger.
        let shrunk = unsafe { by.shrink(grown.cast(), from, to) }.unwrap();
        assert_eq!((shrunk.len(), shrunk.addr().get() % (2 << shift)), (50, 0));
        // SAFETY: as above.
        let bytes = unsafe { std::slice::from_raw_parts(shrunk.cast::<u8>().as_ptr(), 50) };
        assert_eq!(bytes, [7; 50]);
    }
}

/// Bytes that were given back serve another allocation, and their old contents do not show.
#[test]
fn zeroed_is_zero_also_where_others_have_written() {
    let block = block(4096);
    let by = &block;
    let dirty = by.allocate(layout(4096, 1)).unwrap();
    // SAFETY: allocated just now.
    unsafe { dirty.cast::<u8>().write_bytes(0xff, 4096) };
    // SAFETY: allocated just now, with this layout.
    unsafe { by.deallocate(dirty.cast(), layout(4096, 1)) };
    assert_eq!(block.used(), 0);
    let zeroed = by.allocate_zeroed(layout(10, 1)).unwrap().cast::<u8>();
    // SAFETY: allocated with the smaller layout.
    let grown = unsafe { by.grow_zeroed(zeroed, layout(10, 1), layout(1000, 1)) }.unwrap();
    assert_eq!(grown.cast(), zeroed);
    // SAFETY: zeroed, all of it.
    let bytes = unsafe { std::slice::from_raw_parts(zeroed.as_ptr(), 1000) };
    assert!(bytes.iter().all(|byte| *byte == 0));
}

/// An empty allocation grows into one with bytes, and takes none from others.
#[test]
fn an_empty_allocation_grows_and_takes_no_other_allocations_bytes() {
    let block = block(64);
    let by = &block;
    let empty = by.allocate(layout(0, 1)).unwrap();
    let same = by.allocate(layout(0, 1)).unwrap();
    assert_eq!((empty, block.used()), (same, 0));
    // SAFETY: allocated with nothing.
    let one = unsafe { by.grow(empty.cast(), layout(0, 1), layout(8, 1)) }.unwrap();
    // SAFETY: likewise; its place is taken.
    let other = unsafe { by.grow(same.cast(), layout(0, 1), layout(8, 1)) }.unwrap();
    assert!(one.addr().get().abs_diff(other.addr().get()) >= 8);
    // SAFETY: allocated above.
    unsafe { by.deallocate(other.cast(), layout(8, 1)) };
    // SAFETY: allocated above; to nothing, and away.
    let nothing = unsafe { by.shrink(one.cast(), layout(8, 1), layout(0, 1)) }.unwrap();
    // SAFETY: as it is now.
    unsafe { by.deallocate(nothing.cast(), layout(0, 1)) };
    assert_eq!(block.used(), 0);
}

/// Only a reference allocates, and a reset needs more than that. That a collection in a
/// block excludes its reset and its drop is for the compiler, in the documentation of `Allocator for
/// &Block`; that the block itself is no allocator is here.
#[test]
fn the_owner_of_the_memory_is_no_allocator() {
    static_assertions::assert_impl_all!(&'static Block: Allocator, Copy, Send, Sync);
    static_assertions::assert_not_impl_any!(Block: Allocator);
    static_assertions::assert_impl_all!(Vec<u8, &'static Block>: Send, Sync);
    let mut block = block(64);
    for round in 0..3_u8 {
        let mut bytes = Vec::new_in(&block);
        bytes.push(round);
        // Forgotten, so that it never gives back; the reset does not need it to.
        std::mem::forget(bytes);
        block.reset();
        assert_eq!(block.used(), 0);
    }
}

/// Blocks of a memory, and lent ones, are the same.
#[test]
fn blocks_of_every_origin_are_allocators() {
    let memory = Memory::builder().source(Heap).build().unwrap();
    let of_memory = memory.block(1).unwrap();
    let mut page = [MaybeUninit::uninit(); 4096];
    let lent = Block::from_slice(&mut page);
    for block in [&of_memory, &*lent] {
        let mut words = Vec::new_in(block);
        words.extend(["one", "two", "three"]);
        assert_eq!(words, ["one", "two", "three"]);
    }
}

fn seeded() -> BuildHasherDefault<std::hash::DefaultHasher> {
    BuildHasherDefault::default()
}

/// Each thread has its collections in the one block, and they keep their values. Bytes
/// pass from thread to thread all the time, as collections go.
#[test]
fn threads_share_a_block_through_their_collections() {
    let (threads, rounds) = if cfg!(miri) { (3, 4) } else { (4, 300) };
    let mut block = block(16 << 20);
    std::thread::scope(|s| {
        for thread in 0..threads {
            let block = &block;
            s.spawn(move || {
                let mut rng = Rng::new(thread);
                let mut kept: Vec<Vec<u64, &Block>, &Block> = Vec::new_in(block);
                for round in 0..rounds {
                    let len = rng.below(40);
                    let mut numbers = Vec::new_in(block);
                    let value = thread << 32 | round;
                    numbers.extend((0..len).map(|_| value));
                    numbers.shrink_to_fit();
                    assert!(numbers.iter().all(|number| *number == value));
                    if rng.below(4) == 0 {
                        kept.push(numbers);
                    }
                    let mut map = HashMap::with_hasher_in(seeded(), block);
                    map.extend((0..rng.below(20) as u64).map(|key| (key, key * thread)));
                    assert!(map.iter().all(|(key, value)| *value == key * thread));
                }
                for numbers in &kept {
                    assert!(numbers.iter().all(|number| number >> 32 == thread));
                    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]));
                }
            });
        }
    });
    assert!(block.used() <= block.capacity());
    block.reset();
    assert_eq!(block.used(), 0);
}

/// A collection may be made by one thread, grown by another and dropped by a third.
#[test]
fn a_collection_moves_between_threads() {
    let block = block(4096);
    let make = || {
        let mut made = Vec::new_in(&block);
        made.extend(0..10);
        made
    };
    let made = std::thread::scope(|s| s.spawn(make).join()).unwrap();
    let grown = std::thread::scope(|s| {
        let grow = move || {
            let mut grown = made;
            grown.extend(10..20);
            grown
        };
        s.spawn(grow).join().unwrap()
    });
    assert!(grown.iter().copied().eq(0..20));
    std::thread::scope(|s| s.spawn(move || drop(grown)).join()).unwrap();
    assert_eq!(block.used(), 0);
}

/// In the sanitizer's builds: bytes that were given back, last or not, are forbidden until they are
/// claimed again.
#[cfg(epoch_arena_asan)]
#[test]
fn bytes_given_back_are_forbidden() {
    unsafe extern "C" {
        fn __asan_address_is_poisoned(address: *const u8) -> i32;
    }
    let forbidden = |box_at: *const [u64; 2]| {
        // SAFETY: it looks at the sanitizer's notes only.
        unsafe { __asan_address_is_poisoned(box_at.cast()) != 0 }
    };
    let block = block(4096);
    let not_last = Box::new_in([1_u64; 2], &block);
    let last = Box::new_in([2_u64; 2], &block);
    let places = [&raw const *not_last, &raw const *last];
    assert_eq!(places.map(forbidden), [false, false]);
    drop(not_last);
    assert_eq!(places.map(forbidden), [true, false]);
    drop(last);
    assert_eq!(places.map(forbidden), [true, true]);
    let again = Box::new_in([3_u64; 2], &block);
    assert_eq!(&raw const *again, places[1]);
    assert_eq!(places.map(forbidden), [true, false]);
    let mut moves = Vec::with_capacity_in(2, &block);
    moves.extend([4_u64; 2]);
    let old = moves.as_ptr();
    let behind = Box::new_in(5_u64, &block);
    moves.push(*behind);
    assert_eq!(
        [old, moves.as_ptr()].map(|at| forbidden(at.cast())),
        [true, false]
    );
}

/// An allocation as the model knows it: its address, and the byte that fills it.
struct Live {
    start: usize,
    layout: Layout,
    fill: u8,
}

/// The block, and the model's state.
struct Model<'b> {
    block: &'b Block,
    live: std::vec::Vec<Live>,
    used: usize,
}

impl Model<'_> {
    fn base(&self) -> NonNull<u8> {
        self.block.region().base()
    }

    /// Where a claim would begin, and end, if there is room.
    fn place(&self, layout: Layout) -> Option<usize> {
        let base = self.base().addr().get();
        let start = (base + self.used).next_multiple_of(layout.align()) - base;
        (start + layout.size() <= self.block.capacity()).then_some(start)
    }

    fn bytes(&self, index: usize) -> &[u8] {
        let live = &self.live[index];
        // SAFETY: inside the block, by the model.
        let first = unsafe { self.base().add(live.start) };
        // SAFETY: allocated, and filled by `fill`.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), live.layout.size()) }
    }

    /// Enters an allocation; its first `kept` bytes must be `fill`, and this fills the rest.
    fn enter(&mut self, at: NonNull<[u8]>, layout: Layout, kept: usize, fill: u8) {
        assert_eq!(at.len(), layout.size());
        assert_eq!(at.addr().get() % layout.align(), 0);
        let start = at.addr().get() - self.base().addr().get();
        let end = start + layout.size();
        // An empty allocation has no bytes, and may be left behind above the offset.
        assert!(end <= self.used || layout.size() == 0);
        for other in &self.live {
            let other_end = other.start + other.layout.size();
            let apart = end <= other.start || other_end <= start;
            assert!(apart || layout.size() == 0 || other.layout.size() == 0);
        }
        // SAFETY: allocated, and `kept` is at most its size.
        let rest = unsafe { at.cast::<u8>().add(kept) };
        // SAFETY: the rest of it.
        unsafe { rest.write_bytes(fill, layout.size() - kept) };
        self.live.push(Live {
            start,
            layout,
            fill,
        });
        assert!(
            self.bytes(self.live.len() - 1)
                .iter()
                .all(|byte| *byte == fill)
        );
    }

    fn allocate(&mut self, layout: Layout, fill: u8) {
        let expected = self.place(layout);
        let answer = self.block.allocate(layout);
        assert_eq!(answer.is_ok(), expected.is_some());
        if let (Ok(at), Some(start)) = (answer, expected) {
            self.used = start + layout.size();
            self.enter(at, layout, 0, fill);
        }
    }

    /// The offset after the end of an allocation is given up.
    fn retract(&mut self, live: &Live, new_size: usize) {
        if live.start + live.layout.size() == self.used {
            self.used = live.start + new_size;
        }
    }

    fn deallocate(&mut self, index: usize) {
        let live = self.live.swap_remove(index);
        self.retract(&live, 0);
        // SAFETY: inside the block, by the model.
        let first = unsafe { self.base().add(live.start) };
        // SAFETY: allocated with this layout, and forgotten by the model.
        unsafe { self.block.deallocate(first, live.layout) };
    }

    fn resize(&mut self, index: usize, new: Layout, zeroed: bool) {
        let live = self.live.swap_remove(index);
        let (old, by) = (live.layout, self.block);
        let base = self.base();
        // SAFETY: inside the block, by the model.
        let first = unsafe { base.add(live.start) };
        let aligned = first.addr().get() % new.align() == 0;
        let is_last = live.start + old.size() == self.used;
        let grows = new.size() >= old.size();
        let in_place =
            aligned && (!grows || is_last && live.start + new.size() <= self.block.capacity());
        let moved = self.place(new);
        let answer = match (grows, zeroed) {
            // SAFETY: allocated with `old`, which is not larger.
            (true, true) => unsafe { by.grow_zeroed(first, old, new) },
            // SAFETY: as above.
            (true, false) => unsafe { by.grow(first, old, new) },
            // SAFETY: allocated with `old`, which is larger.
            (false, _) => unsafe { by.shrink(first, old, new) },
        };
        assert_eq!(answer.is_ok(), in_place || moved.is_some());
        let Ok(at) = answer else {
            self.live.push(live); // as it was
            return;
        };
        let kept = old.size().min(new.size());
        if in_place {
            assert_eq!(at.cast(), first);
            self.retract(&live, new.size());
        } else {
            let start = moved.unwrap();
            assert_eq!(at.addr().get() - base.addr().get(), start);
            self.used = start + new.size();
            // Two empty allocations may be in the same place; else the one that was moved was not the last.
            if live.start + old.size() == self.used {
                self.used = live.start;
            }
        }
        if zeroed && grows {
            // SAFETY: allocated, and longer than `kept`.
            let added = unsafe { at.cast::<u8>().add(kept) };
            // SAFETY: just zeroed.
            let added = unsafe { std::slice::from_raw_parts(added.as_ptr(), new.size() - kept) };
            assert!(added.iter().all(|byte| *byte == 0));
        }
        self.enter(at, new, kept, live.fill);
    }

    fn check(&self) {
        assert_eq!(self.block.used(), self.used);
        for (index, live) in self.live.iter().enumerate() {
            assert!(self.bytes(index).iter().all(|byte| *byte == live.fill));
        }
    }
}

proptest! {
    #![proptest_config(crate::model::config())]

    /// After any requests in any order, the addresses, the offset and every byte are the model's.
    #[test]
    fn the_allocator_agrees_with_its_model(
        capacity in 0_usize..3000,
        steps in vec((0_u8..8, 0_usize..200, 0_u32..8, any::<usize>()), 1..80),
    ) {
        let block = Block::new(layout(capacity, 64)).unwrap();
        let mut model = Model { block: &block, live: vec![], used: 0 };
        for (step, (action, size, shift, index)) in steps.into_iter().enumerate() {
            let layout = layout(size, 1 << shift);
            let count = model.live.len();
            // The last one half of the time: its steps are the more interesting.
            let index = |count: usize| if index % 2 == 0 { count - 1 } else { index % count };
            match action {
                0..=2 => model.allocate(layout, step as u8),
                _ if count == 0 => {}
                3 | 4 => model.deallocate(index(count)),
                5 => model.resize(index(count), layout, true),
                _ => model.resize(index(count), layout, false),
            }
            model.check();
        }
    }
}
