//! Resident bytes per live byte while epochs come and go, and whether memory stays flat over thousands of them.

use std::collections::VecDeque;

use crate::contest::{Contestant, Plan, room};
use crate::contestants::{AsItIs, OursEpochs, SmallPages, Visit, visit};
use crate::groups::entered;
use crate::os::resident;
use crate::report::{self, figure};
use crate::wire::stats::median;
use crate::wire::{Bench, Job, Series};

/// Epochs that are live at a time.
const LIVE: u32 = 8;
/// Epochs of a load, and those at its start that are not looked at.
const EPOCHS: usize = 100;
const START: usize = 20;
/// Payload bytes of one epoch.
const EPOCH_BYTES: usize = 4 << 20;
/// The plateau: many epochs, small ones, and where its "before" is taken.
const PLATEAU_EPOCHS: usize = 2000;
const PLATEAU_BYTES: usize = 256 << 10;
const PLATEAU_BEFORE: usize = 10;
/// Memory is looked at every so many of them.
const PLATEAU_EVERY: usize = 20;
/// The `pinned` load: one key in so many survives so many epochs.
const SURVIVORS: usize = 1000;
const SURVIVAL: usize = 32;
/// More survivors than there ever are.
const KEPT: usize = 1 << 14;

/// A store with a window of live epochs.
pub trait Epochs {
    /// Puts a key into the current epoch.
    fn put(&mut self, key: &[u8]);

    /// Puts a key that will outlive its epoch; `true` if it does so by itself and need not be copied onwards.
    fn put_survivor(&mut self, key: &[u8], _epochs: usize) -> bool {
        self.put(key);
        false
    }

    /// Opens the next epoch; the oldest one falls out of the window.
    fn next_epoch(&mut self);

    /// The bytes taken from the system, as the store itself counts them.
    fn reserved(&self) -> Option<usize>;
}

/// A ring of stores, one per live epoch: how one builds a window from arenas that know no epochs.
struct Ring<C: Contestant> {
    slots: Vec<(Vec<C>, Vec<C::Handle>)>,
    /// Handles that own their key, and the epoch at whose end they are dropped.
    kept: VecDeque<(usize, C::Handle)>,
    epoch: usize,
}

impl<C: Contestant> Ring<C> {
    /// Room for each epoch's handles, touched: they are the caller's, and must not count.
    fn handles(plan: Plan) -> Vec<Vec<C::Handle>> {
        (0..LIVE).map(|_| room(plan.keys)).collect()
    }

    fn new(plan: Plan, handles: Vec<Vec<C::Handle>>) -> Self {
        Self {
            slots: handles
                .into_iter()
                .map(|out| (C::crew(plan), out))
                .collect(),
            kept: VecDeque::with_capacity(KEPT),
            epoch: 0,
        }
    }

    fn slot(&mut self) -> &mut (Vec<C>, Vec<C::Handle>) {
        let at = self.epoch % self.slots.len();
        &mut self.slots[at]
    }
}

impl<C: Contestant> Epochs for Ring<C> {
    fn put(&mut self, key: &[u8]) {
        let (crew, out) = self.slot();
        out.push(crew[0].put(key));
    }

    fn put_survivor(&mut self, key: &[u8], epochs: usize) -> bool {
        // A handle with a destructor owns its key: it is kept aside. One without is a place in an arena that will go.
        if !std::mem::needs_drop::<C::Handle>() {
            self.put(key);
            return false;
        }
        let handle = self.slot().0[0].put(key);
        self.kept.push_back((self.epoch + epochs, handle));
        true
    }

    fn next_epoch(&mut self) {
        self.epoch += 1;
        while self
            .kept
            .front()
            .is_some_and(|(last, _)| *last <= self.epoch)
        {
            self.kept.pop_front();
        }
        let (crew, out) = self.slot();
        crew[0].reset(out);
        crew[0].reset_shared();
    }

    fn reserved(&self) -> Option<usize> {
        self.slots.iter().map(|(crew, _)| crew[0].reserved()).sum()
    }
}

/// Measures the job's contestants; of an honest job there is one.
pub fn run(job: &Job) {
    for id in &job.contestants {
        let work = || {
            match id.as_str() {
                "ours" => measure(job, id, || OursEpochs::new::<AsItIs>(LIVE)),
                "ours-4k" => measure(job, id, || OursEpochs::new::<SmallPages>(LIVE)),
                _ => return visit(id, Load { job, id }),
            }
            Some(())
        };
        // It has reported.
        let _ = entered(id, work);
    }
}

struct Load<'a> {
    job: &'a Job,
    id: &'a str,
}

impl Visit for Load<'_> {
    type Out = ();

    fn visit<C: Contestant + 'static>(self) {
        // Room for the longest epoch, and for the survivors that are copied into it.
        let bytes = 5 * if self.job.bench == Bench::Plateau {
            PLATEAU_BYTES
        } else {
            EPOCH_BYTES
        } / 4;
        let plan = Plan {
            workers: 1,
            keys: bytes / 8,
            bytes,
            roomy: false,
        };
        let handles = Ring::<C>::handles(plan);
        measure(self.job, self.id, || Ring::<C>::new(plan, handles));
    }
}

fn measure<E: Epochs>(job: &Job, id: &str, make: impl FnOnce() -> E) {
    // Before the store is made: some take all their memory at once.
    let mut source = Source::new();
    let base = resident();
    let mut store = make();
    match job.bench {
        Bench::Plateau => plateau(job, id, &mut store, &mut source, base),
        load => {
            let values = churn(load, &mut store, &mut source, base);
            let figure = figure(
                "",
                median(&values[START..]).unwrap_or_default(),
                "B/B",
                Some(1.0),
            );
            report::sample_with_series(job, id, figure, Series { every: 1, values });
        }
    }
}

/// Resident bytes per live payload byte at the end of each epoch.
fn churn(load: Bench, store: &mut dyn Epochs, source: &mut Source, base: usize) -> Vec<f64> {
    let mut window: VecDeque<usize> = VecDeque::new();
    let mut survivors = VecDeque::with_capacity(KEPT);
    let mut ratios = Vec::with_capacity(EPOCHS);
    for epoch in 0..EPOCHS {
        if epoch > 0 {
            store.next_epoch();
        }
        window.push_back(fill(load, store, source, epoch, &mut survivors));
        if window.len() > LIVE as usize {
            window.pop_front();
        }
        let outside = survivors
            .iter()
            .filter(|survivor| survivor.is_outside(epoch));
        let live = window.iter().sum::<usize>()
            + outside.map(|survivor| survivor.key.len()).sum::<usize>();
        ratios.push(resident().saturating_sub(base) as f64 / live as f64);
    }
    ratios
}

/// Fills one epoch; says how many bytes it holds.
fn fill(
    load: Bench,
    store: &mut dyn Epochs,
    source: &mut Source,
    epoch: usize,
    survivors: &mut VecDeque<Survivor>,
) -> usize {
    survivors.retain(|survivor| survivor.expires > epoch);
    let mut bytes = carry(survivors, store, epoch, source);
    for at in 0.. {
        if bytes >= EPOCH_BYTES {
            break;
        }
        let key = source.key(length(load, epoch, at));
        bytes += key.len();
        if load == Bench::ChurnPinned && at % SURVIVORS == 0 {
            let by_itself = store.put_survivor(source.bytes(key.clone()), SURVIVAL);
            survivors.push_back(Survivor {
                key,
                expires: epoch + SURVIVAL,
                lives_in: epoch,
                by_itself,
            });
        } else {
            store.put(source.bytes(key));
        }
    }
    bytes
}

struct Survivor {
    key: std::ops::Range<usize>,
    expires: usize,
    lives_in: usize,
    /// Whether it outlives its epoch where it is.
    by_itself: bool,
}

impl Survivor {
    /// Whether the epoch it was put into has left the window.
    fn is_outside(&self, epoch: usize) -> bool {
        self.lives_in + LIVE as usize <= epoch
    }
}

/// Copies the survivors whose epoch has left the window into the current one; says how many bytes that were.
fn carry(
    survivors: &mut VecDeque<Survivor>,
    store: &mut dyn Epochs,
    epoch: usize,
    source: &Source,
) -> usize {
    let mut bytes = 0;
    for survivor in survivors
        .iter_mut()
        .filter(|survivor| survivor.is_outside(epoch) && !survivor.by_itself)
    {
        store.put(source.bytes(survivor.key.clone()));
        survivor.lives_in = epoch;
        bytes += survivor.key.len();
    }
    bytes
}

/// The length of key number `at` of an epoch.
fn length(load: Bench, epoch: usize, at: usize) -> usize {
    let spread = at.wrapping_mul(0x9e37_79b9) >> 7;
    match load {
        // 8 to 256 bytes.
        Bench::ChurnMixed => 8 + spread % 249,
        // From 16 bytes to some 200, a little more with every epoch: yesterday's holes fit nothing of today.
        Bench::ChurnShift => 16 + epoch * 2 + spread % 8,
        _ => 24,
    }
}

/// Random bytes, and keys that are pieces of them.
struct Source {
    random: Vec<u8>,
    next: usize,
}

impl Source {
    fn new() -> Self {
        let mut random: Vec<u8> = (0..1_u32 << 16).map(|at| at as u8).collect();
        crate::shuffle::shuffle(&mut random);
        Self { random, next: 0 }
    }

    fn key(&mut self, len: usize) -> std::ops::Range<usize> {
        self.next = (self.next + 37) % (self.random.len() - 256);
        self.next..self.next + len
    }

    fn bytes(&self, key: std::ops::Range<usize>) -> &[u8] {
        &self.random[key]
    }
}

/// Reserved and resident bytes after the first epochs and at the end of many, and by how much they grew.
fn plateau(job: &Job, id: &str, store: &mut dyn Epochs, source: &mut Source, base: usize) {
    let taken = |store: &dyn Epochs| (resident().saturating_sub(base), store.reserved());
    let mut early = (0, None);
    let mut over_time = Vec::with_capacity(PLATEAU_EPOCHS / PLATEAU_EVERY);
    for epoch in 0..PLATEAU_EPOCHS {
        if epoch > 0 {
            store.next_epoch();
        }
        for at in 0..PLATEAU_BYTES / 132 {
            let key = source.key(length(Bench::ChurnMixed, 0, at));
            store.put(source.bytes(key));
        }
        if epoch + 1 == PLATEAU_BEFORE {
            early = taken(store);
        }
        if (epoch + 1).is_multiple_of(PLATEAU_EVERY) {
            over_time.push(kib(taken(store).0));
        }
    }
    let late = taken(store);
    figures(
        job,
        id,
        ["-resident-early", "-resident-late", "-resident-growth"],
        early.0,
        late.0,
        Some(Series {
            every: PLATEAU_EVERY,
            values: over_time,
        }),
    );
    if let (Some(early), Some(late)) = (early.1, late.1) {
        figures(
            job,
            id,
            ["-reserved-early", "-reserved-late", "-reserved-growth"],
            early,
            late,
            None,
        );
    }
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}

fn figures(
    job: &Job,
    id: &str,
    [before, after, growth]: [&'static str; 3],
    early: usize,
    late: usize,
    over_time: Option<Series>,
) {
    let bytes = |suffix, bytes: usize| figure(suffix, kib(bytes), "KiB", None);
    report::sample(job, id, bytes(before, early));
    match over_time {
        Some(series) => report::sample_with_series(job, id, bytes(after, late), series),
        None => report::sample(job, id, bytes(after, late)),
    }
    let value = late as f64 / early.max(1) as f64;
    report::sample(job, id, figure(growth, value, "x", None));
}
