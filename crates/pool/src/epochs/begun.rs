//! Chunks that threads had begun when they ended: other threads fill them further.

use epoch_arena_block::raw::Chunk;

use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

/// Chunks of the latest epoch of which a thread has left one. It outlives its pool as long as a thread has a state
/// there.
///
/// A chunk passes from one thread to another by the lock: the one that gave it never touches it again, and the one that
/// takes it is the only one that has it. Whether it still exists the taker knows by its stamp.
#[derive(Default)]
pub(crate) struct Begun {
    left: Mutex<Left>,
    /// How many there are; a hint.
    count: AtomicUsize,
}

#[derive(Default)]
struct Left {
    /// Invariant: the chunks were taken for the epoch of this stamp, and no thread claims from them.
    stamp: u64,
    chunks: Vec<Chunk>,
}

impl Begun {
    /// Leaves a chunk that was taken for the epoch of `stamp`, and that the thread will not touch again.
    pub fn leave(&self, stamp: u64, chunk: Chunk) {
        const MOST: usize = 1024;
        let mut left = lock(&self.left);
        if left.stamp < stamp {
            left.stamp = stamp;
            left.chunks.clear();
        }
        // An older one is of no use any more, and what has no room on the list is lost to its epoch.
        if left.stamp == stamp && left.chunks.len() < MOST && left.chunks.try_reserve(1).is_ok() {
            left.chunks.push(chunk);
        }
        // Relaxed: a hint, for which the lock is taken or not.
        self.count.store(left.chunks.len(), Ordering::Relaxed);
    }

    /// A chunk that was taken for the epoch of `stamp`, if one was left: the caller's alone from here on.
    pub fn take(&self, stamp: u64) -> Option<Chunk> {
        // Relaxed: a hint. What is missed is taken by the next thread.
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut left = lock(&self.left);
        if left.stamp != stamp {
            return None;
        }
        let chunk = left.chunks.pop();
        // Relaxed: as in `leave`.
        self.count.store(left.chunks.len(), Ordering::Relaxed);
        chunk
    }
}
