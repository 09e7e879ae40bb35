//! What holds back retired epochs: guards and leases, in figures and in a few lines.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

use epoch_arena_block::Bytes;
use epoch_arena_core::Epoch;

use super::lease_info::{LeaseInfo, infos};
use super::pin_info::PinInfo;
use super::plural::Plural;
use crate::epochs::core::Core;
use crate::epochs::hold::HeldBy;
use crate::epochs::lists::State;
use crate::epochs::retired::Retired;
use crate::epochs::slots::epoch;

/// How many threads, and how many places with leases, are printed.
const TOP: usize = 10;

/// Epochs that are retired and held, and their bytes.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// pool.pin().alloc_copy(b"key")?;
/// let lease = pool.lease(pool.current_epoch());
/// pool.advance()?;
/// pool.advance()?;
/// let held = pool.stats().held_by_leases;
/// assert_eq!((held.epochs, held.bytes), (1, 512));
/// # drop(lease);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EpochBytes {
    /// How many.
    pub epochs: usize,
    /// Bytes of their chunks.
    pub bytes: usize,
}

impl fmt::Display for EpochBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {}",
            Plural(self.epochs, "epoch"),
            Bytes(self.bytes)
        )
    }
}

impl EpochBytes {
    fn add(&mut self, bytes: usize) {
        self.epochs += 1;
        self.bytes += bytes;
    }
}

/// A retired epoch, looked at once.
struct RetiredEpoch {
    epoch: Epoch,
    opened: u64,
    /// When it was retired: what pinned later does not see it.
    at: u64,
    bytes: usize,
    held_by: HeldBy,
}

/// What holds back how much.
pub(crate) struct HeldReport {
    /// What is retired and not reclaimed.
    pub retired: EpochBytes,
    pub guards: EpochBytes,
    pub unseen: EpochBytes,
    pub leases: EpochBytes,
    pub pinned: Vec<PinInfo>,
    pub leased: Vec<LeaseInfo>,
}

impl HeldReport {
    /// Under the pool's lock, as `state` shows.
    pub fn new(core: &Core, state: &State) -> Self {
        let retired = retired(state);
        let bytes_of = |epoch: Epoch| {
            let found = retired.binary_search_by_key(&epoch, |retired| retired.epoch);
            found.map_or(0, |at| retired[at].bytes)
        };
        let threads = core.domain.pinned();
        let oldest_pin = threads.iter().map(|(_, since)| *since).min();
        let pinned = threads
            .into_iter()
            .map(|(thread, since)| pin_info(thread, since, state, &retired));
        let mut this = Self {
            retired: EpochBytes::default(),
            guards: EpochBytes::default(),
            unseen: EpochBytes::default(),
            leases: EpochBytes::default(),
            pinned: pinned.collect(),
            leased: infos(&state.leases, bytes_of),
        };
        for retired in &retired {
            this.retired.add(retired.bytes);
            match retired.held_by {
                HeldBy::Pool => {
                    this.guards.add(retired.bytes);
                    if oldest_pin.is_none_or(|oldest| oldest >= retired.at) {
                        this.unseen.add(retired.bytes);
                    }
                }
                HeldBy::Leases => this.leases.add(retired.bytes),
                HeldBy::Nothing => {}
            }
        }
        this
    }
}

/// The retired epochs, oldest first.
fn retired(state: &State) -> Vec<RetiredEpoch> {
    let look = |retired: &Retired| RetiredEpoch {
        epoch: epoch(retired.generation.name),
        opened: retired.opened,
        at: retired.at,
        bytes: retired.generation.chunks.bytes(),
        held_by: HeldBy::of(&retired.generation),
    };
    // What is in quarantine is reclaimed, and of no use all the same.
    let retired = state.retired.iter();
    let retired = retired.filter(|retired| !retired.generation.is_confined());
    retired.map(look).collect()
}

/// A thread that is pinned since a time of the domain's clock. What was current then, or was opened later, cannot be
/// reclaimed before it is unpinned, so the lists have all these epochs.
fn pin_info(thread: String, since: u64, state: &State, retired: &[RetiredEpoch]) -> PinInfo {
    let live = state.live.iter();
    let live = live.map(|live| (epoch(live.generation.name), live.opened));
    let all = retired
        .iter()
        .map(|retired| (retired.epoch, retired.opened));
    // Oldest first. A thread that has pinned before the pool was made, in another pool, sees its first epoch.
    let all: Vec<_> = all.chain(live).collect();
    let later = all.partition_point(|(_, opened)| *opened <= since);
    let sees = |retired: &&RetiredEpoch| retired.held_by == HeldBy::Pool && retired.at > since;
    let seen = retired.iter().filter(sees);
    PinInfo {
        thread,
        epoch: all[later.saturating_sub(1)].0,
        lag: all.len() - later.max(1),
        held_back: seen.map(|retired| retired.bytes).sum(),
    }
}

/// A few lines, each after a line's end: the pinned threads and the places with leases that hold
/// back most.
pub(crate) fn fmt_held(
    f: &mut fmt::Formatter<'_>,
    unseen: EpochBytes,
    pinned: &[PinInfo],
    leases: &[LeaseInfo],
) -> fmt::Result {
    let mut threads: Vec<_> = pinned.iter().collect();
    threads.sort_by_key(|pinned| (std::cmp::Reverse(pinned.held_back), pinned.epoch));
    for pinned in threads.iter().take(TOP) {
        write!(f, "\npinned: {pinned}")?;
    }
    if threads.len() > TOP {
        let more = Plural(threads.len() - TOP, "more thread");
        write!(f, "\npinned: and {more}")?;
    }
    if unseen.epochs > 0 {
        write!(
            f,
            "\npinned: none of these threads, holding back {unseen}: a guard of the collector \
             that is not this pool's (or one that is gone, until `maintain`)"
        )?;
    }
    let mut places: HashMap<_, PlaceLeases<'_>> = HashMap::new();
    for lease in leases {
        places.entry(lease.place).or_default().leases.push(lease);
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.iter_mut().for_each(PlaceLeases::add_up);
    places.sort_by_key(|place| (std::cmp::Reverse(place.held_back), place.leases[0].since));
    for place in places.iter().take(TOP) {
        write!(f, "\nleased: {place}")?;
    }
    if let Some(rest) = places.get(TOP..).filter(|rest| !rest.is_empty()) {
        let leases = rest.iter().map(|place| place.leases.len()).sum();
        write!(
            f,
            "\nleased: and {} from {}",
            Plural(leases, "more lease"),
            Plural(rest.len(), "place")
        )?;
    }
    Ok(())
}

/// The leases that were taken at one place; one at least.
#[derive(Default)]
struct PlaceLeases<'l> {
    /// In the order in which they were taken.
    leases: Vec<&'l LeaseInfo>,
    /// Of each epoch once.
    held_back: usize,
    epochs: usize,
}

impl PlaceLeases<'_> {
    fn add_up(&mut self) {
        let mut epochs: Vec<_> = self
            .leases
            .iter()
            .map(|lease| (lease.epoch, lease.held_back))
            .collect();
        epochs.sort_unstable();
        epochs.dedup_by_key(|(epoch, _)| *epoch);
        self.epochs = epochs.len();
        self.held_back = epochs.iter().map(|(_, bytes)| bytes).sum();
    }
}

impl fmt::Display for PlaceLeases<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = &self.leases[..] else {
            return Ok(());
        };
        if rest.is_empty() {
            return first.fmt(f);
        }
        let epochs = || self.leases.iter().map(|lease| lease.epoch);
        let (oldest, newest) = (epochs().min(), epochs().max());
        write!(f, "{} of ", Plural(self.leases.len(), "lease"))?;
        match (oldest, newest) {
            (Some(oldest), Some(newest)) if oldest != newest => {
                let epochs = Plural(self.epochs, "epoch");
                write!(f, "{epochs} from {oldest} to {newest}")?;
            }
            _ => write!(f, "epoch {}", first.epoch)?,
        }
        let place: &Location<'_> = first.place;
        write!(
            f,
            ", the first for {:.1} s, holding back {}, from {place}",
            first.age().as_secs_f64(),
            Bytes(self.held_back),
        )
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use super::*;
    use crate::ArenaPool;

    struct Shown(Vec<PinInfo>);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt_held(f, EpochBytes::default(), &self.0, &[])
        }
    }

    /// Those that hold back most come first, and the rest is mentioned only where there is one.
    #[test]
    fn ten_threads_are_named_and_the_rest_counted() {
        let pool = ArenaPool::builder().build().expect("the defaults build");
        let pinned = |number| PinInfo {
            thread: format!("thread {number}."),
            epoch: pool.current_epoch(),
            lag: 0,
            held_back: number,
        };
        let shown = |count| Shown((0..count).map(pinned).collect()).to_string();
        assert_eq!(shown(0), "");
        let ten = shown(TOP);
        assert_eq!(ten.lines().count(), 1 + TOP);
        assert!(ten.find("thread 9.") < ten.find("thread 0."), "{ten}");
        assert!(!ten.contains("more"), "{ten}");
        let more = shown(TOP + 1);
        assert!(more.ends_with("\npinned: and 1 more thread"), "{more}");
        assert!(!more.contains("thread 0."), "{more}");
    }
}
