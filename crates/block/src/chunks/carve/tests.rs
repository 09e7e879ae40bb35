//! The carver against a model: random chunks come and go, and after each step the blocks are walked.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::alloc::Layout;
use std::collections::BTreeSet;
use std::ptr::NonNull;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Carved;
use crate::chunks::chunk::{Chunk, Live, Place};
use crate::chunks::class::{CLASSES, Class, SHELVES, Shelf, header_of, region_size};
use crate::{Heap, Pages, Region, Source, shadow};

const UNIT: usize = if cfg!(miri) { 4 << 10 } else { 16 << 10 };

/// All shelves.
fn shelves() -> Vec<Shelf> {
    Shelf::shared().chain([Shelf::QUARANTINE]).collect()
}

fn region(size: usize) -> Region {
    let layout = Layout::from_size_align(size, 4096).unwrap();
    Heap.acquire(layout, Pages::Small).unwrap()
}

/// A chunk that was taken, with every byte behind its header set to `fill`.
struct Taken {
    chunk: Chunk,
    fill: u8,
}

impl Taken {
    fn new(chunk: Chunk, fill: u8) -> Self {
        let taken = Self { chunk, fill };
        let (first, len) = taken.body();
        // As if all of it were claimed.
        let claimed = NonNull::new(first).unwrap();
        // SAFETY: the chunk is this one's alone.
        unsafe { shadow::allow(claimed, len) };
        // SAFETY: as above.
        unsafe { first.write_bytes(fill, len) };
        taken
    }

    fn live(&self) -> Live<'_> {
        // SAFETY: taken, and not put back yet.
        unsafe { self.chunk.live() }
    }

    fn body(&self) -> (*mut u8, usize) {
        let (start, size) = (self.live().start(), self.live().size());
        let header = header_of(size);
        // SAFETY: inside the chunk.
        let first = unsafe { start.add(header) };
        (first.as_ptr(), size - header)
    }

    /// Nothing else has written to it.
    fn is_intact(&self) -> bool {
        let (first, len) = self.body();
        // SAFETY: initialised when it was taken, and only read since.
        let bytes = unsafe { std::slice::from_raw_parts(first, len) };
        bytes.iter().all(|byte| *byte == self.fill)
    }
}

impl Carved {
    /// The free chunks of a list, which is linked both ways and has a bit if it has a chunk.
    fn listed(&mut self, shelf: Shelf, class: Class) -> Vec<usize> {
        let mut found = Vec::new();
        let mut before = Place::NONE;
        let mut next = self.free[shelf.index()][class.index()];
        assert_eq!(
            next.is_some(),
            self.some[shelf.index()] >> class.index() & 1 == 1
        );
        while let Some(chunk) = next {
            let live = self.live(chunk);
            assert!(live.is_free() && live.size() == class.size());
            assert_eq!(live.prev(), before, "linked both ways");
            assert_eq!(self.shelf(live.region()), shelf);
            before = self.place(live);
            assert_eq!(self.at(before), Some(chunk));
            found.push(live.start().addr().get());
            next = live.next();
        }
        found
    }

    /// Walks every block, and compares its chunks with the lists and with the chunks that were taken.
    fn check(&mut self, taken: &[Taken]) {
        let mut listed = BTreeSet::new();
        for shelf in shelves() {
            for class in (0..CLASSES).map(Class::at) {
                let all = self.listed(shelf, class);
                assert!(all.iter().all(|at| listed.insert(*at)), "on two lists");
            }
        }
        let (mut free, mut used, mut used_bytes) = (BTreeSet::new(), BTreeSet::new(), 0);
        for index in 0..self.regions.len() {
            let Some(held) = &self.regions[index] else {
                assert!(self.vacant.contains(&(index as u32)));
                continue;
            };
            let (base, len) = (held.region.base(), held.region.len());
            let (frontier, shelf) = (held.frontier, held.shelf);
            let (mut at, mut out, mut last) = (0, 0, None);
            while at < frontier {
                // SAFETY: inside the region.
                let start = unsafe { base.add(at) };
                let live = self.live(Chunk::from_start(start));
                let size = live.size();
                assert_eq!(
                    (live.region(), live.is_alone()),
                    (index as u32, len != UNIT)
                );
                assert!(
                    live.is_alone() || at % size == 0,
                    "at a multiple of its size"
                );
                let address = start.addr().get();
                if live.is_free() {
                    free.insert(address);
                    let buddies = last == Some((at ^ size, size)) && at & size != 0;
                    assert!(
                        !buddies || shelf == Shelf::QUARANTINE,
                        "two free halves of one"
                    );
                    last = Some((at, size));
                } else {
                    used.insert(address);
                    out += size;
                    last = None;
                }
                at += size;
            }
            assert_eq!(at, frontier, "chunk by chunk to the frontier");
            assert!(
                frontier <= len && out > 0,
                "a block of which nothing is in use goes"
            );
            assert_eq!(self.regions[index].as_ref().unwrap().out, out);
            used_bytes += out;
        }
        assert_eq!(free, listed, "what is free is on a list, and only that");
        let addresses = taken.iter().map(|taken| taken.live().start().addr().get());
        assert_eq!(
            used,
            addresses.collect(),
            "what was taken is in use, and only that"
        );
        let sizes = taken.iter().map(|taken| taken.live().size());
        assert_eq!(used_bytes, sizes.sum::<usize>());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Take { shelf: usize, class: usize },
    TakeAny { wanted: usize, least: usize },
    Alone { bytes: usize },
    Put { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // From 512 bytes to a whole block.
    let class = 0..=Class::of(UNIT).index();
    prop_oneof![
        6 => (0..SHELVES, class.clone()).prop_map(|(shelf, class)| Step::Take { shelf, class }),
        2 => (class.clone(), class).prop_map(|(a, b)| Step::TakeAny { wanted: a.max(b), least: a.min(b) }),
        1 => (1_usize..4 * UNIT).prop_map(|bytes| Step::Alone { bytes }),
        6 => any::<usize>().prop_map(|which| Step::Put { which }),
    ]
}

/// The carver and the chunks that it gave.
struct Model {
    carved: Carved,
    taken: Vec<Taken>,
    added: usize,
    returned: usize,
    fill: u8,
}

impl Model {
    fn new() -> Self {
        Self {
            carved: Carved::new(UNIT),
            taken: Vec::new(),
            added: 0,
            returned: 0,
            fill: 0,
        }
    }

    fn keep(&mut self, chunk: Chunk) {
        self.fill = self.fill.wrapping_add(1);
        self.taken.push(Taken::new(chunk, self.fill));
    }

    fn put(&mut self, which: usize) {
        let taken = self.taken.swap_remove(which % self.taken.len());
        assert!(taken.is_intact(), "others keep off a chunk in use");
        // SAFETY: taken from this carver, and not used any more.
        let region = unsafe { self.carved.put(taken.chunk) };
        self.returned += usize::from(region.is_some());
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Take { shelf, class } => {
                let (shelf, class) = (shelves()[shelf], Class::at(class));
                let found = self.carved.take(shelf, class).or_else(|| {
                    assert!(self.carved.prepare(1));
                    self.carved.add_block(region(UNIT), shelf);
                    self.added += 1;
                    self.carved.take(shelf, class)
                });
                let chunk = found.expect("a fresh block has any chunk");
                self.keep(chunk);
                assert_eq!(self.taken.last().unwrap().live().size(), class.size());
            }
            Step::TakeAny { wanted, least } => {
                let (wanted, least) = (Class::at(wanted), Class::at(least));
                if let Some(chunk) = self.carved.take_any(wanted, least) {
                    self.keep(chunk);
                    let size = self.taken.last().unwrap().live().size();
                    assert!((least.size()..=wanted.size()).contains(&size));
                }
            }
            Step::Alone { bytes } => {
                let size = region_size(bytes).unwrap();
                // A block's size is a block's.
                let size = if size == UNIT { size + 4096 } else { size };
                assert!(self.carved.prepare(1));
                self.added += 1;
                let chunk = self.carved.add_alone(region(size));
                self.keep(chunk);
            }
            Step::Put { which } => {
                if !self.taken.is_empty() {
                    self.put(which);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 200 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn chunks_are_apart_all_bytes_are_accounted_for_and_blocks_come_back_whole(
        steps in vec(step(), 1..if cfg!(miri) { 10 } else { 150 }),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
            model.carved.check(&model.taken);
        }
        while !model.taken.is_empty() {
            model.put(model.fill.into());
            model.carved.check(&model.taken);
        }
        prop_assert_eq!(model.returned, model.added, "every block came back whole");
        prop_assert_eq!(model.carved.ranges().count(), 0);
    }
}

/// A free chunk before the frontier and the bytes that the frontier passes over may be just enough together: then no
/// new block is taken.
#[test]
fn what_a_frontier_leaves_is_joined_with_what_is_free_before_it() {
    let mut model = Model::new();
    let half = Class::of(UNIT / 2);
    model.run(&Step::Take {
        shelf: 0,
        class: half.index(),
    });
    model.run(&Step::Take { shelf: 0, class: 0 });
    model.put(1); // free, and its buddy is beyond the frontier
    model.run(&Step::Take {
        shelf: 0,
        class: half.index(),
    });
    assert_eq!((model.added, model.taken.len()), (1, 2));
    model.carved.check(&model.taken);
}

/// Small chunks that stay in use keep the least of a block.
#[test]
fn a_block_with_one_chunk_in_use_gives_all_the_rest_at_once() {
    let mut model = Model::new();
    for _ in 0..UNIT / 512 {
        model.run(&Step::Take { shelf: 0, class: 0 });
    }
    assert_eq!(model.added, 1);
    for _ in 1..UNIT / 512 {
        model.put(1);
    }
    model.carved.check(&model.taken);
    for class in (0..Class::of(UNIT).index()).rev() {
        let chunk = model.carved.take(shelves()[0], Class::at(class));
        assert!(chunk.is_some(), "one of {} bytes", Class::at(class).size());
        model.keep(chunk.unwrap());
        model.carved.check(&model.taken);
    }
}

/// The tables are as long as the most regions that were held at a time.
#[test]
fn the_place_of_a_region_that_went_is_the_next_ones() {
    let mut carved = Carved::new(UNIT);
    for _ in 0..100 {
        assert!(carved.prepare(1));
        let alone = carved.add_alone(region(UNIT));
        assert!(carved.prepare(1));
        let other = carved.add_alone(region(UNIT));
        for chunk in [alone, other] {
            // SAFETY: taken above, and used by nothing.
            assert!(unsafe { carved.put(chunk) }.is_some());
        }
        assert_eq!((carved.regions.len(), carved.vacant.len()), (2, 2));
    }
}
