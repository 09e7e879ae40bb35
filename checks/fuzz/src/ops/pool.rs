//! The model of one pool.

use epoch_arena::{ArenaPool, Epoch};

use crate::setup::{Guards, PoolSetup};

/// A moment: one tick for each thing that happens.
pub type Time = u64;

/// Whose guards hold things back: those of all pools over one memory, or those of the shared collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The memory of this index, whose pools have its collector.
    Own(usize),
    /// The shared collector.
    Shared,
}

/// A pool as it must be.
pub struct PoolModel {
    /// How it was made.
    pub setup: PoolSetup,
    /// Its guards.
    pub domain: Domain,
    /// The participants that its threads have: one for all pools of a memory and a collector.
    pub participants: usize,
    /// The program's handle of it, until it is dropped.
    pub pool: Option<ArenaPool>,
    /// Guards, leases and snapshots, which keep it alive.
    pub keepers: usize,
    /// All epochs there ever were, oldest first.
    pub epochs: Vec<EpochModel>,
    /// The first of `epochs` that is live; all behind it are.
    first_live: usize,
}

/// An epoch as it must be.
#[derive(Debug)]
pub struct EpochModel {
    /// Its name.
    pub epoch: Epoch,
    /// Allocations made.
    pub allocations: usize,
    /// Their bytes.
    pub payload: usize,
    /// When it ceased to be the current one.
    pub left: Option<Time>,
    /// When it was retired.
    pub retired: Option<Time>,
    /// Whether it was found sealed; then it must stay so.
    pub sealed: bool,
}

impl EpochModel {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            allocations: 0,
            payload: 0,
            left: None,
            retired: None,
            sealed: false,
        }
    }

    /// Counts allocations and bytes, or takes them back.
    pub fn count(&mut self, allocations: isize, payload: isize) {
        self.allocations = apply(self.allocations, allocations);
        self.payload = apply(self.payload, payload);
    }
}

impl PoolModel {
    /// The model of `pool`.
    pub fn new(setup: PoolSetup, pool: ArenaPool) -> Self {
        Self {
            setup,
            domain: match setup.guards {
                Guards::Own => Domain::Own(setup.memory),
                Guards::Shared => Domain::Shared,
            },
            participants: 2 * setup.memory + usize::from(setup.guards == Guards::Shared),
            epochs: vec![EpochModel::new(pool.current_epoch())],
            pool: Some(pool),
            keepers: 0,
            first_live: 0,
        }
    }

    /// The live epochs, oldest first.
    pub fn live(&self) -> &[EpochModel] {
        &self.epochs[self.first_live..]
    }

    /// The retired ones.
    pub fn retired(&self) -> &[EpochModel] {
        &self.epochs[..self.first_live]
    }

    /// Whether the epoch is live here.
    pub fn is_live(&self, epoch: Epoch) -> bool {
        self.live().iter().any(|live| live.epoch == epoch)
    }

    /// The current epoch.
    pub fn current(&self) -> Epoch {
        self.live().last().expect("one is current").epoch
    }

    /// The model of an epoch of this pool.
    pub fn epoch(&mut self, epoch: Epoch) -> &mut EpochModel {
        let mut epochs = self.epochs.iter_mut().rev();
        epochs
            .find(|known| known.epoch == epoch)
            .expect("an epoch of this pool")
    }

    /// `advance` gave `now`, at a time.
    pub fn advanced(&mut self, now: Epoch, time: Time) {
        assert!(self.current() < now, "numbers rise");
        let before = self.current();
        self.epoch(before).left = Some(time);
        self.epochs.push(EpochModel::new(now));
        if self.live().len() > self.setup.retained {
            self.retire(time);
        }
    }

    /// `retire_before(before)`, at a time; how many that retires.
    pub fn retire_before(&mut self, before: Epoch, time: Time) -> usize {
        let mut count = 0;
        while self.live().len() > 1 && self.live()[0].epoch < before {
            self.retire(time);
            count += 1;
        }
        count
    }

    fn retire(&mut self, time: Time) {
        self.epochs[self.first_live].retired = Some(time);
        self.first_live += 1;
    }
}

/// `count`, changed; a model never takes back more than it counted.
fn apply(count: usize, change: isize) -> usize {
    count.checked_add_signed(change).expect("counted before")
}
