//! A place among the records of a scan.

use std::sync::Arc;

use crate::Records;
use crate::shared::Failure;

pub struct Cursor<R> {
    segments: Vec<Arc<Vec<R>>>,
    /// The segment of the next record, and its place there.
    next: (usize, usize),
}

impl<R> Cursor<R> {
    pub fn new(segments: Vec<Arc<Vec<R>>>) -> Self {
        let next = (0, 0);
        Self { segments, next }
    }

    /// Copies of the next records; none at the end.
    pub fn take<'r>(
        &'r mut self,
        most: usize,
        bytes: impl Fn(&'r R) -> Option<&'r [u8]>,
    ) -> Result<Records, Failure> {
        let (segment, place) = &mut self.next;
        let mut records = Records::new();
        while records.len() < most {
            let Some(now) = self.segments.get(*segment) else {
                break;
            };
            match now.get(*place) {
                Some(record) => {
                    let bytes = bytes(record).ok_or("a scan lacks a record")?;
                    records.push(bytes.to_vec());
                    *place += 1;
                }
                None => (*segment, *place) = (*segment + 1, 0),
            }
        }
        Ok(records)
    }
}
