//! Shared by the examples: their input, work divided among threads, a bar of progress, `tables`
//! of versions, and `compare`, which runs a program over an arena and over plain heap allocation.

#![allow(
    dead_code,
    reason = "each example has this as a module, and uses its part"
)]

pub mod compare;
pub mod input;
pub mod tables;

use std::error::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Why a side failed; it crosses threads.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Numbers from zero, which threads take in steps.
pub struct Work {
    next: AtomicUsize,
    len: usize,
}

impl Work {
    /// Few enough for a short pin, many enough to pay for it.
    const STEP: usize = 64;

    pub fn new(len: usize) -> Self {
        let next = AtomicUsize::new(0);
        Self { next, len }
    }

    /// The next numbers to do, or `None` when all are taken.
    pub fn take(&self) -> Option<Range<usize>> {
        // Relaxed: the counter only divides the numbers; it cannot wrap, as each thread stops at
        // the end.
        let start = self.next.fetch_add(Self::STEP, Ordering::Relaxed);
        (start < self.len).then(|| start..self.len.min(start + Self::STEP))
    }
}

/// Runs `work` on so many threads, each given its number, and waits for all of them.
pub fn on_threads<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    std::thread::scope(|s| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|n| s.spawn(move || work(n))).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined
            .map(|result| result.map_err(|_| "a thread panicked")?)
            .collect()
    })
}

/// A lock that a thread panicked under ends the program: the guarded value may be half changed.
pub fn poisoned<T>(_: std::sync::PoisonError<T>) -> Failure {
    "another thread panicked under a lock".into()
}

/// A bar on a terminal, and nothing elsewhere.
pub fn progress(what: &'static str, len: usize) -> ProgressBar {
    let bar = ProgressBar::new(len as u64).with_message(what);
    match ProgressStyle::with_template("{msg:>24} [{bar:40}] {human_pos}/{human_len}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar, // the default style is as good
    }
}

/// Scatters numbers: the same on every run, and far from sorted.
pub fn scatter(number: usize) -> u64 {
    let mut x = (number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
