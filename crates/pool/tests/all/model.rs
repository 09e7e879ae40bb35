//! Property test: a pool against a simple model, under random operations. The model is the list
//! of what was written, the window of live epochs, and the leases; what a guard saw is kept and
//! compared again when the guard goes.

use std::collections::{HashMap, VecDeque};

use epoch_arena_pool::{
    AdvanceError, Alignment, ArenaHandle, ArenaPool, Epoch, Lease, PromoteError, Snapshot,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pools::{adds_up, pool};

#[derive(Clone, Debug)]
enum Step {
    Copy(usize, u32),
    Concat(usize, usize),
    With(usize),
    Batch(usize, Vec<usize>),
    /// Pieces for a writer, each behind a put in between or not; and whether it is finished.
    Write(Vec<(usize, bool)>, bool),
    Promote(usize),
    Advance,
    AdvanceFrom(usize),
    RetireBefore(usize),
    Lease(usize),
    Snapshot,
    Release(usize),
    Maintain,
    /// Pins, runs what follows until the next `Unpin`, and compares what it saw.
    Pin,
    Unpin,
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![9 => 0_usize..100, 1 => 0_usize..9_000];
    prop_oneof![
        6 => (len(), 0_u32..8).prop_map(|(len, shift)| Step::Copy(len, shift)),
        2 => (len(), len()).prop_map(|(a, b)| Step::Concat(a, b)),
        2 => len().prop_map(Step::With),
        2 => (len(), vec(0_usize..40, 0..6)).prop_map(|(room, lens)| Step::Batch(room, lens)),
        2 => (vec((len(), any::<bool>()), 0..6), any::<bool>())
            .prop_map(|(pieces, finish)| Step::Write(pieces, finish)),
        2 => any::<usize>().prop_map(Step::Promote),
        4 => Just(Step::Advance),
        1 => any::<usize>().prop_map(Step::AdvanceFrom),
        1 => any::<usize>().prop_map(Step::RetireBefore),
        2 => any::<usize>().prop_map(Step::Lease),
        1 => Just(Step::Snapshot),
        3 => any::<usize>().prop_map(Step::Release),
        2 => Just(Step::Maintain),
        2 => Just(Step::Pin),
        2 => Just(Step::Unpin),
    ]
}

struct Model {
    pool: ArenaPool,
    retained: usize,
    live: VecDeque<Epoch>,
    /// Every epoch there was.
    epochs: Vec<Epoch>,
    written: Vec<(ArenaHandle, Vec<u8>)>,
    leases: Vec<Lease>,
    snapshots: Vec<(Snapshot, Vec<Epoch>)>,
    pins: usize,
}

impl Model {
    fn new(retained: u32) -> Self {
        let pool = pool(retained);
        let first = pool.current_epoch();
        Self {
            pool,
            retained: retained as usize,
            live: VecDeque::from([first]),
            epochs: vec![first],
            written: Vec::new(),
            leases: Vec::new(),
            snapshots: Vec::new(),
            pins: 0,
        }
    }

    fn current(&self) -> Epoch {
        *self.live.back().unwrap()
    }

    fn wrote(&mut self, handle: ArenaHandle, bytes: Vec<u8>) {
        assert_eq!(
            (handle.epoch(), handle.len()),
            (self.current(), bytes.len())
        );
        self.written.push((handle, bytes));
    }

    /// Bytes that differ from write to write.
    fn bytes(&self, len: usize) -> Vec<u8> {
        let seed = self.written.len();
        (0..len).map(|at| (seed * 31 + at * 7) as u8).collect()
    }

    fn advanced(&mut self, answer: Result<Epoch, AdvanceError>) {
        match answer {
            Ok(now) => {
                assert!(self.epochs.iter().all(|epoch| *epoch < now));
                self.live.push_back(now);
                self.epochs.push(now);
                while self.live.len() > self.retained {
                    self.live.pop_front();
                }
            }
            Err(refused) => panic!("{refused}: never, whatever is held"),
        }
    }

    fn run(&mut self, steps: &mut std::slice::Iter<'_, Step>) {
        while let Some(step) = steps.next() {
            match step {
                Step::Pin => self.pinned(steps),
                Step::Unpin if self.pins > 0 => return,
                Step::Unpin => {}
                step => self.step(step),
            }
            self.check();
        }
    }

    /// Runs on under a guard; what it saw before must be there still.
    fn pinned(&mut self, steps: &mut std::slice::Iter<'_, Step>) {
        let pool = self.pool.clone();
        let guard = pool.pin();
        let seen: Vec<_> = self
            .written
            .iter()
            .map(|(handle, _)| guard.get(*handle))
            .collect();
        self.pins += 1;
        self.run(steps);
        self.pins -= 1;
        for (seen, (_, bytes)) in seen.iter().zip(&self.written) {
            assert!(
                seen.is_none_or(|seen| seen == bytes),
                "changed under a guard"
            );
        }
    }

    fn step(&mut self, step: &Step) {
        let pool = self.pool.clone();
        let guard = || pool.pin();
        let pick = |at: usize, len: usize| (len > 0).then(|| at % len);
        match *step {
            Step::Copy(len, shift) => {
                let bytes = self.bytes(len);
                let align = Alignment::new(1 << shift).unwrap();
                let guard = guard();
                let handle = guard.alloc_copy_aligned(&bytes, align).unwrap();
                let address = guard.get(handle).unwrap().as_ptr().addr();
                assert_eq!(address % align.get(), 0);
                self.wrote(handle, bytes);
            }
            Step::Concat(a, b) => {
                let bytes = self.bytes(a + b);
                let (head, tail) = bytes.split_at(a);
                let handle = guard().alloc_concat([head, tail]).unwrap();
                self.wrote(handle, bytes);
            }
            Step::With(len) => {
                let bytes = self.bytes(len);
                let handle = guard().alloc_with(len, |room| room.copy_from_slice(&bytes));
                self.wrote(handle.unwrap(), bytes);
            }
            Step::Batch(room, ref lens) => {
                let guard = guard();
                let mut batch = guard.batch(room).unwrap();
                let mut left = room;
                for len in lens {
                    let bytes = self.bytes(*len);
                    match batch.push(&bytes) {
                        Ok(handle) => {
                            left -= len;
                            self.wrote(handle, bytes);
                        }
                        Err(full) => assert!(full.remaining == left && *len > left),
                    }
                    assert_eq!(batch.remaining(), left);
                }
            }
            Step::Write(ref pieces, finish) => {
                let guard = guard();
                let mut value = guard.writer().unwrap();
                let mut model = Vec::new();
                for (len, put) in pieces {
                    let bytes = self.bytes(*len);
                    if *put {
                        self.wrote(guard.alloc_copy(&bytes).unwrap(), bytes.clone());
                    }
                    value.push(&bytes).unwrap();
                    model.extend(bytes);
                    assert_eq!(value.as_bytes(), model);
                }
                if finish {
                    self.wrote(value.finish(), model);
                }
            }
            Step::Promote(at) => {
                let Some(at) = pick(at, self.written.len()) else {
                    return;
                };
                let (handle, bytes) = self.written[at].clone();
                match guard().promote(handle) {
                    Ok(new) => self.wrote(new, bytes),
                    Err(error) => {
                        assert_eq!(error, PromoteError::Stale);
                        assert!(!self.live.contains(&handle.epoch()));
                    }
                }
            }
            Step::Advance => self.advanced(pool.advance()),
            Step::AdvanceFrom(at) => {
                let from = self.epochs[at % self.epochs.len()];
                match pool.advance_from(from) {
                    Err(AdvanceError::Moved(now)) => {
                        assert!(now == self.current() && from != now);
                    }
                    answer => {
                        assert_eq!(from, self.current());
                        self.advanced(answer);
                    }
                }
            }
            Step::RetireBefore(at) => {
                let before = self.epochs[at % self.epochs.len()];
                let count = pool.retire_before(before);
                for _ in 0..count {
                    assert!(self.live.pop_front().unwrap() < before);
                }
                assert!(self.live.len() == 1 || self.live[0] >= before);
            }
            Step::Lease(at) => {
                let epoch = self.epochs[at % self.epochs.len()];
                let lease = pool.lease(epoch);
                assert_eq!(lease.is_some(), self.live.contains(&epoch));
                self.leases.extend(lease);
            }
            Step::Snapshot => {
                let snapshot = pool.snapshot();
                let epochs: Vec<_> = snapshot.epochs().collect();
                assert!(epochs.iter().eq(self.live.iter()));
                self.snapshots.push((snapshot, epochs));
            }
            Step::Release(at) => {
                if let Some(at) = pick(at, self.leases.len()) {
                    drop(self.leases.swap_remove(at));
                } else if let Some(at) = pick(at, self.snapshots.len()) {
                    drop(self.snapshots.swap_remove(at));
                }
            }
            Step::Maintain => {
                let report = pool.maintain();
                assert!(self.pins > 0 || report.held_by_guards.epochs == 0);
                assert_eq!(report.pinned.len(), usize::from(self.pins > 0));
            }
            Step::Pin | Step::Unpin => unreachable!("handled by `run`"),
        }
    }

    /// Everybody sees exactly what the model says.
    fn check(&self) {
        let guard = self.pool.pin();
        let (mut payload, mut allocations) = (0, 0);
        for (handle, bytes) in &self.written {
            let live = self.live.contains(&handle.epoch());
            assert_eq!(guard.get(*handle), live.then_some(&bytes[..]));
            if live {
                payload += bytes.len();
                allocations += 1;
            }
            for lease in &self.leases {
                let leased = lease.epoch() == handle.epoch();
                assert_eq!(lease.get(*handle), leased.then_some(&bytes[..]));
            }
            for (snapshot, epochs) in &self.snapshots {
                let held = epochs.contains(&handle.epoch());
                assert_eq!(snapshot.get(*handle), held.then_some(&bytes[..]));
            }
        }
        drop(guard);
        let stats = self.pool.stats();
        assert_eq!(
            (stats.current, stats.live_epochs),
            (self.current(), self.live.len())
        );
        assert_eq!((stats.payload, stats.allocations), (payload, allocations));
        assert!(
            self.epochs
                .iter()
                .all(|e| self.pool.is_live(*e) == self.live.contains(e))
        );
        assert!(!self.pool.is_sealed(self.current()));
        adds_up(&self.pool);
    }

    /// When no guard and no lease is left, everything comes back.
    fn end(mut self) {
        let mut addresses = HashMap::new();
        for (handle, _) in &self.written {
            assert!(
                handle.is_empty() || addresses.insert(*handle, ()).is_none(),
                "given twice"
            );
        }
        self.leases.clear();
        self.snapshots.clear();
        self.pool.retire_before(self.current());
        self.advanced(self.pool.advance());
        self.pool.retire_before(self.current());
        self.pool.maintain();
        let stats = self.pool.stats();
        assert_eq!((stats.retired_epochs, self.pool.bytes()), (0, 0));
        assert_eq!(stats.memory.reserved, stats.memory.free);
        let memory = self.pool.memory().clone();
        drop(self.pool);
        assert_eq!(memory.stats().in_use, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 150 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_agrees_with_its_model(
        retained in 1_u32..5,
        steps in vec(step(), 1..if cfg!(miri) { 15 } else { 100 }),
    ) {
        let mut model = Model::new(retained);
        let mut steps = steps.iter();
        model.run(&mut steps);
        model.end();
    }
}
