//! A string interner with generations on an `ArenaPool`: threads share symbols, unused strings go with their epoch,
//! and a small budget is enough for ever.
//!
//! One generation of the interner is one epoch of an `ArenaPool`. The pool retains three epochs: the current generation
//! and the two before it. A use of a string that lies in an older epoch copies it into the current one. So the epoch of
//! a string's key is the generation of its last use, and `ArenaPool::advance` drops exactly the strings that were not
//! used in the last two generations.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use epoch_arena::{
    AdvanceError, ArenaGuard, ArenaKey, ArenaPool, Epoch, Error, KeyWriter, Memory, PromoteError,
};
use hashbrown::HashTable;

/// The current generation, and the two in which a string must have been used to stay.
const RETAINED: u32 = 3;
const SHARDS: usize = 16;
const KEYS: KeyWriter = KeyWriter::new().max_len(1 << 20);
/// How often a refused call waits for memory that guards or leases hold.
const NAPS: u64 = 1_000;
/// How often a refused call opens a new generation.
const ADVANCES: u32 = 10;

/// Stands for one string of one interner. Equal symbols stand for equal strings.
///
/// `born` is the epoch in which the string came in. A place is used again only after the epoch of its last string was
/// retired. The pool never uses an epoch's number twice, so no later string has the same symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Symbol {
    born: Epoch,
    place: u32,
}

struct Slot {
    born: Epoch,
    hash: u64,
    /// Its epoch is the generation of the last use.
    key: ArenaKey,
}

#[derive(Default)]
struct Shard {
    /// Indices of `slots`, to be found by text.
    table: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Interner {
    pool: ArenaPool,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    refused: AtomicU64,
}

impl Interner {
    fn new(memory: Memory) -> Result<Self, Error> {
        Ok(Self {
            pool: ArenaPool::builder()
                .retained_epochs(RETAINED)
                .memory(memory)
                .build()?,
            hasher: RandomState::new(),
            shards: Default::default(),
            refused: AtomicU64::new(0),
        })
    }

    /// For statistics, leases and guards. Keep no guard while you intern: a refused call waits until guards are gone.
    fn pool(&self) -> &ArenaPool {
        &self.pool
    }

    /// How often the budget refused a string, also where a later try had room.
    fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// How many places for strings exist. A place is used again when its string was dropped.
    fn places(&self) -> usize {
        (0..SHARDS).map(|shard| self.shard(shard).slots.len()).sum()
    }

    /// The symbol of `text`, which counts as used in this generation.
    ///
    /// If the budget is full of this interner's own strings, the call opens a new generation.
    ///
    /// # Errors
    ///
    /// `text` is too long for the budget or for a key, or others hold the memory. No string was lost for it.
    fn intern(&self, text: &str) -> Result<Symbol, Error> {
        let hash = self.hasher.hash_one(text);
        let (mut naps, mut advances) = (0, 0);
        loop {
            let seen = self.pool.current_epoch();
            // No lock and no guard is left when this line ends.
            let refused = match self.try_intern(hash, text) {
                Ok(symbol) => return Ok(symbol),
                Err(refused) => refused,
            };
            let over = refused.over_budget().ok_or(refused)?;
            self.refused.fetch_add(1, Relaxed);
            let fair = over.used / self.pool.memory().usage().users.len().max(1);
            if over.wanted > over.budget {
                return Err(refused); // it can never fit
            } else if over.reclaimable > 0 || over.own < fair {
                // A new generation would gain nothing: guards, leases or other users have the memory.
                naps += 1;
                if naps > NAPS {
                    return Err(refused);
                }
                std::thread::sleep(Duration::from_micros(naps));
            } else {
                advances += 1;
                if advances > ADVANCES {
                    return Err(refused);
                }
                self.next_generation_from(seen)?;
            }
        }
    }

    fn try_intern(&self, hash: u64, text: &str) -> Result<Symbol, Error> {
        let number = hash as usize % SHARDS;
        let mut shard = self.shard(number);
        let guard = self.pool.pin(); // after the lock, so that no thread waits while it is pinned
        let Shard { table, slots, free } = &mut *shard;
        let same = |slot: &u32| {
            let slot = &slots[*slot as usize];
            slot.hash == hash && slot.key.resolve(&guard).is_some_and(|key| key == text)
        };
        if let Some(&found) = table.find(hash, same) {
            let slot = &mut slots[found as usize];
            match use_now(slot, &guard) {
                Ok(()) => return Ok(symbol(slot.born, found, number)),
                Err(PromoteError::Stale) => {} // it expired this very moment, and comes in again below
                Err(refused) => return Err(refused.into()),
            }
        }
        let key = KEYS.copy(text.as_bytes(), &guard)?;
        let slot = Slot {
            born: key.epoch(),
            hash,
            key,
        };
        let index = match free.pop() {
            Some(index) => {
                slots[index as usize] = slot;
                index
            }
            None => {
                slots.push(slot);
                (slots.len() - 1) as u32
            }
        };
        table.insert_unique(hash, index, |slot| slots[*slot as usize].hash);
        Ok(symbol(key.epoch(), index, number))
    }

    /// The text of a symbol, which counts as used in this generation; `None` if it was dropped.
    ///
    /// If the budget has no room to carry the string over, the text is given all the same, and the use does not count.
    fn resolve<'g>(&self, symbol: Symbol, guard: &'g ArenaGuard<'_>) -> Option<&'g str> {
        let mut shard = self.shard(symbol.place as usize % SHARDS);
        let slot = shard.slots.get_mut(symbol.place as usize / SHARDS)?;
        let text = text_of(slot, symbol, guard)?;
        if use_now(slot, guard).is_err_and(|error| error.over_budget().is_some()) {
            self.refused.fetch_add(1, Relaxed);
        }
        Some(text)
    }

    /// The text of a symbol, without using it.
    fn peek<'g>(&self, symbol: Symbol, guard: &'g ArenaGuard<'_>) -> Option<&'g str> {
        let shard = self.shard(symbol.place as usize % SHARDS);
        text_of(
            shard.slots.get(symbol.place as usize / SHARDS)?,
            symbol,
            guard,
        )
    }

    /// Opens the next generation. Returns how many strings were dropped.
    fn next_generation(&self) -> Result<usize, Error> {
        self.pool.advance()?;
        Ok(self.sweep())
    }

    /// The same, unless another thread has done so since the generation was `seen`.
    fn next_generation_from(&self, seen: Epoch) -> Result<(), Error> {
        match self.pool.advance_from(seen) {
            Ok(_) => {
                self.sweep();
                Ok(())
            }
            Err(AdvanceError::Moved(_)) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Frees the places of strings that are gone. Their bytes went with their epoch.
    fn sweep(&self) -> usize {
        let mut dropped = 0;
        for number in 0..SHARDS {
            let mut shard = self.shard(number);
            let guard = self.pool.pin();
            let Shard { table, slots, free } = &mut *shard;
            let before = table.len();
            table.retain(|slot| {
                let stays = slots[*slot as usize].key.resolve(&guard).is_some();
                if !stays {
                    free.push(*slot);
                }
                stays
            });
            dropped += before - table.len();
        }
        dropped
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn symbol(born: Epoch, slot: u32, shard: usize) -> Symbol {
    Symbol {
        born,
        place: slot * SHARDS as u32 + shard as u32,
    }
}

fn text_of<'g>(slot: &Slot, symbol: Symbol, guard: &'g ArenaGuard<'_>) -> Option<&'g str> {
    if slot.born != symbol.born {
        return None; // the place has another string by now
    }
    std::str::from_utf8(slot.key.resolve(guard)?.as_bytes()).ok()
}

/// Sees to it that the string is in the current epoch.
fn use_now(slot: &mut Slot, guard: &ArenaGuard<'_>) -> Result<(), PromoteError> {
    if slot.key.epoch() != guard.epoch() {
        slot.key = slot.key.promote(guard)?;
    }
    Ok(())
}

// The tests.

const BLOCK: usize = 16 << 10;
const THREADS: usize = 4;
const GENERATIONS: usize = 150;
/// Strings that each thread makes in each generation, and never uses again.
const COLD: usize = 60;
/// Strings in each of the groups that all threads use again and again.
const GROUP: usize = 16;

/// The groups that are used again, each with the number of generations from one use to the next.
const GROUPS: [(&str, usize); 3] = [("always", 1), ("every second", 2), ("every third", 3)];

fn shared(group: &str, number: usize) -> String {
    format!("a string that is used {group} generation, number {number}")
}

fn cold(generation: usize, thread: usize, number: usize) -> String {
    format!("a string of generation {generation} alone, from thread {thread}, number {number}")
}

/// The budget that the guide's page "size it" computes, for other blocks.
fn budget(per_epoch: usize) -> usize {
    let held = 2; // retired, and waiting for the next `advance`
    let each = per_epoch / THREADS;
    let chunk = (each / 64)
        .max((each / 8).min(32 << 10))
        .clamp(512, 256 << 10);
    let bytes = (RETAINED as usize + held) * (per_epoch + per_epoch / 64 + THREADS * chunk);
    (bytes.div_ceil(BLOCK) + 2 + THREADS) * BLOCK
}

fn memory(budget: usize) -> Memory {
    Memory::builder()
        .block_size(BLOCK)
        .budget(budget)
        .build()
        .unwrap()
}

/// The strings that one thread uses in a generation, with their symbols.
fn use_strings(interner: &Interner, generation: usize, thread: usize) -> Vec<(String, Symbol)> {
    let mut used = Vec::new();
    for (group, every) in GROUPS {
        if generation % every == 0 {
            used.extend((0..GROUP).map(|number| shared(group, number)));
        }
    }
    used.extend((0..COLD).map(|number| cold(generation, thread, number)));
    let used: Vec<(String, Symbol)> = used
        .into_iter()
        .map(|text| {
            let symbol = interner.intern(&text).expect("the budget is enough");
            (text, symbol)
        })
        .collect();
    for batch in used.chunks(64) {
        let guard = interner.pool().pin(); // once for a batch
        for (text, symbol) in batch {
            assert_eq!(interner.resolve(*symbol, &guard), Some(text.as_str()));
        }
    }
    used
}

/// In each generation all threads use strings, then the main thread compares the interner with a model of it.
#[test]
fn a_generation_drops_what_two_generations_did_not_use() {
    let per_generation = (THREADS * COLD + GROUPS.len() * GROUP) * 72;
    let budget = budget(per_generation);
    let interner = Interner::new(memory(budget)).unwrap();
    let pool = interner.pool();

    // What the threads used, by generations. A thread hands over one generation at a time.
    let mut history: Vec<HashSet<(String, Symbol)>> = Vec::new();
    let mut written = 0;
    for generation in 0..GENERATIONS {
        let used: HashSet<_> = std::thread::scope(|s| {
            let spawn = |thread| {
                let interner = &interner;
                s.spawn(move || use_strings(interner, generation, thread))
            };
            let threads: Vec<_> = (0..THREADS).map(spawn).collect();
            let used = threads.into_iter().map(|thread| thread.join().unwrap());
            used.flatten().collect()
        });

        // All threads have one symbol for one string, and one copy of it is in this generation.
        let symbols: HashSet<Symbol> = used.iter().map(|(_, symbol)| *symbol).collect();
        let texts: HashSet<&str> = used.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!((symbols.len(), texts.len()), (used.len(), used.len()));
        let figures = pool.stats_of(pool.current_epoch()).expect("it is live");
        let payload = texts.iter().map(|text| text.len()).sum::<usize>();
        assert_eq!(
            (figures.allocations, figures.payload),
            (used.len(), payload)
        );
        written += payload;
        history.push(used);

        // The next generation drops the strings whose last use was two generations before this one.
        let mut going: HashSet<&(String, Symbol)> = HashSet::new();
        if let Some(oldest) = (generation + 1).checked_sub(RETAINED as usize) {
            going.extend(&history[oldest]);
            for later in &history[oldest + 1..] {
                going.retain(|string| !later.contains(*string));
            }
            assert!(going.len() >= THREADS * COLD);
        }
        assert_eq!(
            interner.next_generation().expect("epochs last for ever"),
            going.len()
        );
        let guard = pool.pin();
        assert!(
            going
                .iter()
                .all(|(_, symbol)| interner.peek(*symbol, &guard).is_none())
        );
        for (text, symbol) in history[history.len().saturating_sub(2)..].iter().flatten() {
            assert_eq!(interner.peek(*symbol, &guard), Some(text.as_str()));
        }
        drop(guard);

        // The memory of what has gone is free.
        pool.maintain();
        let stats = pool.stats();
        assert!(stats.live_epochs <= RETAINED as usize);
        assert_eq!((stats.retired_epochs, stats.retired), (0, 0));
        assert!(stats.live <= budget - (2 + THREADS) * BLOCK, "{stats}");
    }

    // Strings that are used often enough have one symbol for ever. The others get a new one each time.
    for (group, every) in GROUPS {
        let text = shared(group, 0);
        let symbols: HashSet<Symbol> = history
            .iter()
            .flatten()
            .filter(|(used, _)| *used == text)
            .map(|(_, symbol)| *symbol)
            .collect();
        assert_eq!(
            symbols.len(),
            if every < 3 { 1 } else { GENERATIONS / every }
        );
    }
    // No symbol ever had two texts, although the places of the strings were used again and again.
    let all: HashSet<&(String, Symbol)> = history.iter().flatten().collect();
    let symbols: HashSet<Symbol> = all.iter().map(|(_, symbol)| *symbol).collect();
    assert_eq!(symbols.len(), all.len());
    assert!(interner.places() < all.len() / 10);
    let guard = pool.pin();
    for (text, symbol) in all {
        assert!(
            interner
                .peek(*symbol, &guard)
                .is_none_or(|found| found == text)
        );
    }

    let stats = pool.memory().stats();
    assert_eq!(interner.refused(), 0);
    assert!(
        stats.peak <= budget && written > 5 * budget,
        "{written} bytes went through {stats}"
    );
}

/// The threads open no generations: the interner does, when the budget is full.
#[test]
fn a_full_interner_opens_generations_and_stays_within_its_budget() {
    const STRINGS: usize = 2_000;
    let budget = (THREADS + 4) * BLOCK;
    let interner = Interner::new(memory(budget)).unwrap();
    let first = interner.pool().current_epoch();
    std::thread::scope(|s| {
        for thread in 0..THREADS {
            let interner = &interner;
            s.spawn(move || {
                for number in 0..STRINGS {
                    let mut text = cold(0, thread, number);
                    if number.is_multiple_of(100) {
                        text.extend(std::iter::repeat_n('.', BLOCK / 3)); // takes whole pages
                    }
                    let symbol = interner
                        .intern(&text)
                        .expect("there is room in a new generation");
                    let guard = interner.pool().pin();
                    // Other threads may have opened three generations meanwhile.
                    assert!(
                        interner
                            .resolve(symbol, &guard)
                            .is_none_or(|found| found == text)
                    );
                }
            });
        }
    });
    let stats = interner.pool().memory().stats();
    assert!(stats.peak <= budget && interner.refused() > 0);
    assert!(interner.pool().current_epoch() > first);
}

/// A string that cannot fit, and one for which a lease holds the memory, are refused; all others stay.
#[test]
fn a_refused_string_costs_no_other_string() {
    let budget = 4 * BLOCK;
    let interner = Interner::new(memory(budget)).unwrap();
    let pool = interner.pool();
    let kept = interner.intern("kept").unwrap();

    let before = pool.stats();
    let too_large = interner
        .intern(&"x".repeat(budget + 1))
        .expect_err("more than the budget");
    let over = too_large.over_budget().unwrap();
    assert!(over.wanted > over.budget);
    assert_eq!(
        (pool.stats().payload, pool.stats().allocations),
        (before.payload, before.allocations)
    );

    // A lease holds a generation that is full.
    let lease = pool.lease(pool.current_epoch()).unwrap();
    let mut number = 0;
    while pool.bytes() < budget * 3 / 4 {
        interner.intern(&cold(0, 0, number)).unwrap();
        number += 1;
    }
    for _ in 0..RETAINED {
        let guard = pool.pin();
        assert_eq!(interner.resolve(kept, &guard), Some("kept")); // carried over
        drop(guard);
        interner.next_generation().unwrap();
    }
    let now = pool.current_epoch();
    let mut number = 0;
    let refused = loop {
        match interner.intern(&cold(1, 0, number)) {
            Ok(_) => number += 1,
            Err(refused) => break refused,
        }
    };
    let over = refused.over_budget().unwrap();
    assert!(over.reclaimable >= budget * 3 / 4, "{over}");
    assert_eq!(pool.current_epoch(), now); // no generation was opened, as that would gain nothing
    assert_eq!(interner.peek(kept, &pool.pin()), Some("kept"));
    drop(lease); // its epoch is free at once
    interner.intern(&cold(1, 0, number)).unwrap();
    assert_eq!(pool.current_epoch(), now);
}
