//! An ordered memtable: `crossbeam_skiplist` for the order, one epoch of a pool for the keys and
//! values of each memtable. A full memtable is frozen, flushed in order, and dropped; its memory
//! goes all at once.
//!
//! `cargo run --release --example memtable [keys]`

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_skiplist::SkipMap;
use epoch_arena::{ArenaHandle, ArenaKey, ArenaPool, Lease, OwnedKey};

/// Keys per memtable.
const FULL: usize = 50_000;

/// The keys and values of one epoch, in order. It holds its epoch itself, so it can be read for
/// as long as it exists, whatever the pool has moved on to.
struct Memtable {
    map: SkipMap<OwnedKey, ArenaHandle>,
    epoch: Lease,
}

impl Memtable {
    fn of_current(pool: &ArenaPool) -> Option<Self> {
        let epoch = pool.lease(pool.current_epoch())?;
        Some(Self {
            map: SkipMap::new(),
            epoch,
        })
    }

    /// Inserts; `false` if the pool has moved on, and the entry belongs to the next memtable.
    fn put(&self, pool: &ArenaPool, key: &[u8], value: &[u8]) -> Result<bool, Box<dyn Error>> {
        let guard = pool.pin();
        let value = guard.alloc_copy(value)?;
        let key = ArenaKey::copy_from(key, &guard)?;
        if value.epoch() != self.epoch.epoch() {
            return Ok(false);
        }
        match OwnedKey::new(key, self.epoch.clone()) {
            Some(key) => self.map.insert(key, value),
            None => return Ok(false),
        };
        Ok(true)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let entry = self.map.get(key)?;
        self.epoch.get(*entry.value()).map(<[u8]>::to_vec)
    }

    /// What a real engine writes to a file: all entries, in order. Returns entries and bytes.
    fn flush(&self) -> Result<(usize, usize), String> {
        let (mut entries, mut bytes) = (0, 0);
        let mut last: Option<Vec<u8>> = None;
        for entry in self.map.iter() {
            let key = entry.key().as_bytes();
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(format!("out of order at {:?}", entry.key()));
            }
            last = Some(key.to_vec());
            entries += 1;
            bytes += key.len() + self.epoch.get(*entry.value()).map_or(0, <[u8]>::len);
        }
        Ok((entries, bytes))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let keys: usize = match std::env::args().nth(1) {
        Some(argument) => argument.parse()?,
        None => 200_000,
    };
    let pool = ArenaPool::builder().build()?;
    let started = Instant::now();
    let (mut done, mut flushed) = (0, 0);
    while done < keys {
        let batch = FULL.min(keys - done);
        let table = Memtable::of_current(&pool).ok_or("the current epoch is live")?;
        fill(&table, &pool, done..done + batch)?;
        // Frozen: what is written from here on belongs to the next memtable.
        pool.advance()?;
        let middle = done + batch / 2;
        assert_eq!(
            table.get(key_of(middle).as_bytes()).as_deref(),
            Some(value_of(middle).as_bytes())
        );
        let (entries, bytes) = table.flush()?;
        println!(
            "flushed epoch {}: {entries} entries, {bytes} bytes",
            table.epoch.epoch()
        );
        flushed += entries;
        done += batch;
        // `table` goes out of scope; once the epoch is retired, too, its memory goes at once.
    }
    let took = started.elapsed();
    println!("\n{flushed} entries in {took:.1?}\n{}", pool.maintain());
    println!("{}", pool.stats());
    if flushed != keys {
        return Err(format!("{flushed} of {keys} entries were flushed").into());
    }
    Ok(())
}

/// Two threads fill `table` with `numbers`.
fn fill(
    table: &Memtable,
    pool: &ArenaPool,
    numbers: std::ops::Range<usize>,
) -> Result<(), Box<dyn Error>> {
    let next = AtomicUsize::new(numbers.start);
    let fill = || -> Result<(), String> {
        loop {
            // Relaxed: the counter only divides the numbers.
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            let (key, value) = (key_of(number), value_of(number));
            let put = table.put(pool, key.as_bytes(), value.as_bytes());
            if !put.map_err(|error| error.to_string())? {
                return Err("the epoch moved while the memtable was filled".to_owned());
            }
        }
    };
    std::thread::scope(|s| {
        let other = s.spawn(fill);
        fill().and(other.join().map_err(|_| "a writer panicked".to_owned())?)
    })?;
    Ok(())
}

/// Keys in an order that is far from sorted.
fn key_of(number: usize) -> String {
    format!(
        "user:{:016x}",
        (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

fn value_of(number: usize) -> String {
    format!("profile of user {number}")
}
