//! The first five minutes: write, read, advance, and see a handle expire.
//!
//! `cargo run --example quick_start`

use std::error::Error;

use epoch_arena::{ArenaKey, ArenaPool};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ArenaPool::builder().retained_epochs(3).build()?;

    // Write a batch under one pin. A key is 24 bytes and can be stored anywhere.
    let guard = pool.pin();
    let keys = (0..5)
        .map(|id| ArenaKey::copy_from(format!("user:{id}:profile").as_bytes(), &guard))
        .collect::<Result<Vec<_>, _>>()?;
    drop(guard);

    // Read from any thread.
    std::thread::scope(|s| {
        s.spawn(|| {
            let guard = pool.pin();
            for key in &keys {
                println!("{key:?} is {:?}", key.resolve(&guard));
            }
        });
    });

    // A lease keeps one epoch, and pins no thread.
    let lease = pool.lease(keys[0].epoch());

    // Time passes: with the third step the first epoch falls out of the window.
    for _ in 0..3 {
        println!("advanced to epoch {}", pool.advance()?);
    }
    let guard = pool.pin();
    println!("under a guard: {:?}", keys[0].resolve(&guard));
    if let Some(lease) = &lease {
        println!("by the lease:  {:?}", keys[0].resolve(lease));
    }
    drop(guard);

    println!("\n{}", pool.stats());
    drop(lease);
    println!("\nlease dropped: {}", pool.maintain());
    Ok(())
}
