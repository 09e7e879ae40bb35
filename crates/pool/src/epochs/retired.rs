//! The retired epochs, by stamp: those that are held, and some whose memory is free already.

use std::collections::{BTreeMap, VecDeque};

use epoch_arena_block::raw::Generation;

use crate::sync::Arc;

/// An epoch that is retired.
pub(crate) struct Retired {
    pub generation: Arc<Generation>,
    /// When it was opened, by the domain's clock.
    pub opened: u64,
    /// When it was retired: a thread that has pinned later does not see it.
    pub at: u64,
}

impl Retired {
    /// Whether its memory is free, and the memory has let it go.
    fn is_done(&self) -> bool {
        self.generation.holds() == 0 && Arc::strong_count(&self.generation) == 1
    }
}

/// The retired epochs.
#[derive(Default)]
pub(crate) struct RetiredEpochs {
    /// Those before the last few. Most are free before they would come here.
    older: BTreeMap<u64, Retired>,
    /// The last few, oldest first.
    last: VecDeque<Retired>,
    /// Where the next look at `older` begins.
    swept: u64,
}

/// At most so many are among the last, and so many of the older ones are looked at in a step.
const FEW: usize = 4;

impl RetiredEpochs {
    /// Adds an epoch whose stamp is larger than all before.
    pub fn push(&mut self, retired: Retired) {
        self.last.push_back(retired);
        if self.last.len() > FEW {
            let oldest = self.last.pop_front();
            (self.older).extend(oldest.map(|oldest| (oldest.generation.name, oldest)));
        }
    }

    /// The epoch of a stamp. Logarithmic.
    pub fn get(&self, stamp: u64) -> Option<&Retired> {
        let mut last = self.last.iter();
        last.find(|retired| retired.generation.name == stamp)
            .or_else(|| self.older.get(&stamp))
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Retired> {
        self.older.values().chain(&self.last)
    }

    /// Looks at a few epochs, in turns, and forgets those whose memory is free: more than one
    /// call can retire, so that they do not add up.
    pub fn sweep(&mut self) {
        self.last.retain(|retired| !retired.is_done());
        if self.older.is_empty() {
            return;
        }
        let mut seen = [None; FEW];
        let next = self.older.range(self.swept..);
        for (seen, (stamp, retired)) in seen.iter_mut().zip(next) {
            *seen = Some((*stamp, retired.is_done()));
        }
        // Where fewer are left, the next look begins at the oldest.
        self.swept = seen[FEW - 1].map_or(0, |(stamp, _)| stamp + 1);
        for (stamp, _) in seen.into_iter().flatten().filter(|(_, done)| *done) {
            self.older.remove(&stamp);
        }
    }

    /// Forgets all whose memory is free: for a report.
    pub fn sweep_all(&mut self) {
        self.last.retain(|retired| !retired.is_done());
        self.older.retain(|_, retired| !retired.is_done());
    }

    /// All of them, at the end of the pool.
    pub fn into_generations(self) -> impl Iterator<Item = Arc<Generation>> {
        let all = self.older.into_values().chain(self.last);
        all.map(|retired| retired.generation)
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use super::*;
    use crate::ArenaPool;

    /// A pool of which no report is asked forgets them, too, a few with each epoch that comes.
    #[test]
    fn what_is_free_is_forgotten_in_steps() {
        const HELD: usize = 100;
        let pool = ArenaPool::builder().retained_epochs(1).build();
        let pool = pool.expect("the settings are valid");
        let advance = || pool.advance().expect("there are numbers left");
        let left = || pool.core.state().retired.iter().count();
        let leases = [(); HELD].map(|()| pool.lease(advance()));
        assert!(left() >= HELD - 1);
        drop(leases);
        for _ in 0..HELD {
            advance();
        }
        assert!(left() <= 2 * FEW, "{} are left", left());
    }
}
