//! Many small trees side by side: the bytes and the time that one of so many costs.

use std::hint::black_box;

use epoch_arena::{ArenaPool, Memory};

use crate::clock;
use crate::groups::entered;
use crate::os::resident;
use crate::report::{self, figure};
use crate::wire::{Bench, Job};

/// Keys of a tree.
const KEYS: u8 = 10;
/// Bytes of a key.
const LEN: usize = 20;
/// Puts that are timed, at least.
const PUTS: usize = 1 << 20;

/// A small store of keys, of which an engine has thousands.
trait Tree {
    fn new(memory: &Memory) -> Self;
    fn put(&mut self, key: &[u8]);
}

impl Tree for ArenaPool {
    fn new(memory: &Memory) -> Self {
        let builder = Self::builder().memory(memory.clone());
        builder.build().expect("the defaults build")
    }

    fn put(&mut self, key: &[u8]) {
        black_box(self.pin().alloc_copy(key).expect("there is no budget"));
    }
}

#[cfg(feature = "peer-skiplist")]
impl Tree for crossbeam_skiplist::SkipMap<Box<[u8]>, ()> {
    fn new(_memory: &Memory) -> Self {
        Self::new()
    }

    fn put(&mut self, key: &[u8]) {
        self.insert(key.into(), ());
    }
}

#[cfg(feature = "peer-bumpalo")]
impl Tree for bumpalo::Bump {
    fn new(_memory: &Memory) -> Self {
        Self::new()
    }

    fn put(&mut self, key: &[u8]) {
        black_box(self.alloc_slice_copy(key));
    }
}

/// rarena's arenas are of fixed size, and do not grow: with room for the keys, and four times as much as that.
#[cfg(feature = "peer-rarena")]
impl Tree for rarena_allocator::sync::Arena {
    fn new(_memory: &Memory) -> Self {
        let options = rarena_allocator::Options::new().with_capacity(4096);
        options.alloc().expect("memory for the arena")
    }

    fn put(&mut self, key: &[u8]) {
        use rarena_allocator::{Allocator, Buffer};
        if let Ok(mut bytes) = self.alloc_bytes(key.len() as u32) {
            bytes.put_slice(key).expect("as long as the key");
            // SAFETY: the bytes go back with the whole arena.
            unsafe { bytes.detach() };
        }
    }
}

/// Measures the job's contestants with so many trees; each has a process of its own.
pub fn run(job: &Job) {
    let trees = job.at.expect("a sweep says where it is");
    for id in &job.contestants {
        let value = entered(id, || match &**id {
            "ours" => Some(value::<ArenaPool>(job.bench, trees)),
            #[cfg(feature = "peer-skiplist")]
            "tree-skipmap" => Some(value::<crossbeam_skiplist::SkipMap<Box<[u8]>, ()>>(
                job.bench, trees,
            )),
            #[cfg(feature = "peer-bumpalo")]
            "bumpalo" => Some(value::<bumpalo::Bump>(job.bench, trees)),
            #[cfg(feature = "peer-rarena")]
            "rarena" => Some(value::<rarena_allocator::sync::Arena>(job.bench, trees)),
            _ => None,
        });
        let unit = match job.bench {
            Bench::PoolsBytes => "B/tree",
            _ => "ns",
        };
        if let Some(value) = value {
            report::sample(job, id, figure("", value, unit, None));
        }
    }
}

fn value<T: Tree>(bench: Bench, trees: usize) -> f64 {
    let memory = Memory::builder().build().expect("the defaults build");
    let each = |total: f64| total / trees as f64;
    // The first tree of a process costs more than the others.
    drop(planted::<T>(&memory, 1));
    let mut all: Vec<T> = Vec::with_capacity(trees);
    // Its pages are touched by the trees only.
    let before = resident();
    let (nanos, ()) = clock::time(|| all.extend((0..trees).map(|_| T::new(&memory))));
    if bench == Bench::PoolsBuild {
        return each(nanos);
    }
    fill(&mut all);
    if bench == Bench::PoolsBytes {
        // Handles of trees are the engine's with every contestant.
        let handles = trees * (size_of::<T>() + usize::from(KEYS) * LEN);
        return each(resident().saturating_sub(before).saturating_sub(handles) as f64);
    }
    if bench == Bench::PoolsDrop {
        let (nanos, ()) = clock::time(|| drop(all));
        return each(nanos);
    }
    let rounds = PUTS.div_ceil(trees).min(100);
    let (nanos, ()) = clock::time(|| {
        for round in 0..rounds {
            let mut key = [0; LEN];
            key[..8].copy_from_slice(&round.to_be_bytes());
            all.iter_mut().for_each(|tree| tree.put(&key));
        }
    });
    nanos / (rounds * trees) as f64
}

fn planted<T: Tree>(memory: &Memory, trees: usize) -> Vec<T> {
    let mut all: Vec<T> = (0..trees).map(|_| T::new(memory)).collect();
    fill(&mut all);
    all
}

fn fill<T: Tree>(all: &mut [T]) {
    for tree in all {
        (0..KEYS).for_each(|key| tree.put(&[key; LEN]));
    }
}
