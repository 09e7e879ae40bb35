//! A log whose lines are in the epochs of a pool: one epoch is one segment.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use epoch_arena::{AdvanceError, ArenaHandle, ArenaPool, Epoch, Snapshot};

use crate::cursor::Cursor;
use crate::shared::input::Lines;
use crate::shared::{Failure, poisoned};
use crate::{Records, SEGMENTS};

#[derive(Clone)]
pub struct Log {
    pool: ArenaPool,
    segments: Arc<Mutex<VecDeque<Segment>>>,
    per_segment: usize,
}

/// The records of an epoch.
struct Segment {
    epoch: Epoch,
    /// Shared with scans, and copied (16 bytes a record) if it grows while one has it.
    records: Arc<Vec<ArenaHandle>>,
}

/// The log as it was at one moment. It pins no thread, and can go from thread to thread.
pub struct Scan {
    snapshot: Snapshot,
    epochs: Vec<Epoch>,
    cursor: Cursor<ArenaHandle>,
}

impl Log {
    pub fn new(per_segment: usize) -> Result<Self, Failure> {
        let pool = ArenaPool::builder().retained_epochs(SEGMENTS).build()?;
        Ok(Self {
            pool,
            segments: Arc::default(),
            per_segment,
        })
    }

    /// Adds records to the segment of their epoch; says whether that is full now.
    fn index(&self, epoch: Epoch, records: Vec<ArenaHandle>) -> Result<bool, Failure> {
        let mut segments = self.segments.lock().map_err(poisoned)?;
        // Others may have begun later segments since these records were written.
        let place = segments.partition_point(|segment| segment.epoch < epoch);
        if segments
            .get(place)
            .is_none_or(|segment| segment.epoch != epoch)
        {
            let records = Arc::default();
            segments.insert(place, Segment { epoch, records });
        }
        let all = Arc::make_mut(&mut segments[place].records);
        all.extend(records);
        let is_full = all.len() >= self.per_segment;
        while segments.len() > SEGMENTS as usize {
            segments.pop_front();
        }
        Ok(is_full)
    }
}

impl crate::Log for Log {
    type Scan = Scan;

    fn append(&self, lines: &Lines, numbers: Range<usize>) -> Result<(), Failure> {
        // A guard is not `Send`. It is gone when this returns, so none is alive at an await.
        let guard = self.pool.pin();
        let bytes = numbers.clone().map(|number| 8 + lines[number].len()).sum();
        let mut room = guard.batch(bytes)?;
        let (epoch, mut records) = (room.epoch(), Vec::with_capacity(numbers.len()));
        for number in numbers {
            let name = (number as u64).to_be_bytes();
            records.push(room.push_concat([&name, &lines[number]])?);
        }
        drop(room);
        drop(guard); // before a lock is waited for
        if self.index(epoch, records)? {
            match self.pool.advance_from(epoch) {
                Ok(_) | Err(AdvanceError::Moved(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    fn scan(&self) -> Result<Scan, Failure> {
        let segments = self.segments.lock().map_err(poisoned)?;
        let snapshot = self.pool.snapshot();
        // The oldest may have been retired, with no record of the current epoch here yet.
        let held = |segment: &&Segment| snapshot.holds(segment.epoch);
        let (mut epochs, mut records) = (Vec::new(), Vec::new());
        for segment in segments.iter().filter(held) {
            epochs.push(segment.epoch);
            records.push(segment.records.clone());
        }
        Ok(Scan {
            snapshot,
            epochs,
            cursor: Cursor::new(records),
        })
    }

    fn next(scan: &mut Scan, most: usize) -> Result<Records, Failure> {
        let snapshot = &scan.snapshot;
        scan.cursor.take(most, |handle| snapshot.get(*handle))
    }

    fn forgotten(&self, scan: &Scan) -> usize {
        let epochs = scan.epochs.iter();
        epochs.filter(|epoch| !self.pool.is_live(**epoch)).count()
    }

    fn report(&self) -> String {
        self.pool.stats().to_string()
    }
}
