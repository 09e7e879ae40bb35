//! A log with a heap allocation for each line, counted by those who have it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::cursor::Cursor;
use crate::shared::input::Lines;
use crate::shared::{Failure, poisoned};
use crate::{Records, SEGMENTS};

#[derive(Clone)]
pub struct Log {
    segments: Arc<Mutex<VecDeque<Segment>>>,
    per_segment: usize,
}

#[derive(Default)]
struct Segment {
    number: usize,
    /// Shared with scans, and copied (a count for each record) if it grows while one has it.
    records: Arc<Vec<Arc<[u8]>>>,
}

/// The log as it was at one moment.
pub struct Scan {
    /// The numbers of its segments.
    segments: Range<usize>,
    cursor: Cursor<Arc<[u8]>>,
}

impl Log {
    pub fn new(per_segment: usize) -> Self {
        let first = VecDeque::from([Segment::default()]);
        Self {
            segments: Arc::new(Mutex::new(first)),
            per_segment,
        }
    }
}

impl crate::Log for Log {
    type Scan = Scan;

    fn append(&self, lines: &Lines, numbers: Range<usize>) -> Result<(), Failure> {
        let record = |number: usize| {
            let name = (number as u64).to_be_bytes();
            Arc::from([&name, &lines[number]].concat())
        };
        let records: Vec<Arc<[u8]>> = numbers.map(record).collect();
        let mut segments = self.segments.lock().map_err(poisoned)?;
        let last = segments.back_mut().ok_or("a log has a segment")?;
        let number = last.number;
        let all = Arc::make_mut(&mut last.records);
        all.extend(records);
        if all.len() >= self.per_segment {
            segments.push_back(Segment {
                number: number + 1,
                records: Arc::default(),
            });
        }
        if segments.len() > SEGMENTS as usize {
            let oldest = segments.pop_front();
            drop(segments);
            drop(oldest); // which frees one by one, if no scan has it
        }
        Ok(())
    }

    fn scan(&self) -> Result<Scan, Failure> {
        let segments = self.segments.lock().map_err(poisoned)?;
        let oldest = segments.front().map_or(0, |segment| segment.number);
        let records = segments.iter().map(|segment| segment.records.clone());
        Ok(Scan {
            segments: oldest..oldest + segments.len(),
            cursor: Cursor::new(records.collect()),
        })
    }

    fn next(scan: &mut Scan, most: usize) -> Result<Records, Failure> {
        scan.cursor.take(most, |record| Some(record))
    }

    fn forgotten(&self, scan: &Scan) -> usize {
        let Ok(segments) = self.segments.lock() else {
            return 0; // a task has panicked, and its failure is reported
        };
        let oldest = segments.front().map_or(0, |segment| segment.number);
        oldest.min(scan.segments.end) - scan.segments.start
    }

    fn report(&self) -> String {
        String::new()
    }
}
