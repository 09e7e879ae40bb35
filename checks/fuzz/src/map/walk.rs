//! Iterators that are open while records are inserted: what was there when they were made comes once, in order; of the
//! records that came later some may.

use std::ops::RangeBounds;

use arbitrary::{Arbitrary, Result, Unstructured};
use epoch_arena::{Entry, Range, RangeAt};

use super::decode::{Bounds, Line, bounds, key, version};
use super::pair::{Model, Pair, insert, line};
use crate::faulty::Faults;

/// One iterator, from its beginning to its end.
pub fn walk(pair: &mut Pair, faults: &Faults, input: &mut Unstructured<'_>) -> Result<()> {
    let bounds = bounds(input)?;
    let at = bool::arbitrary(input)?
        .then(|| version(input))
        .transpose()?;
    let before = pair.lines(&bounds, at).into_iter().cloned().collect();
    let Pair { map, model, .. } = pair;
    let more = |model: &mut Model, input: &mut Unstructured<'_>| -> Result<()> {
        insert(map, model, faults, (key(input)?, version(input)?, vec![1]));
        Ok(())
    };
    let walk = Walk {
        bounds: &bounds,
        at,
        before,
    };
    match at {
        None => {
            let range = map.range::<Vec<u8>, _>(bounds.clone());
            walk.run(range, Range::seek, more, model, input)
        }
        Some(at) => {
            let range = map.range_at::<Vec<u8>, _>(bounds.clone(), at);
            walk.run(range, RangeAt::seek, more, model, input)
        }
    }
}

struct Walk<'a> {
    bounds: &'a Bounds,
    /// Of a `range_at`.
    at: Option<u64>,
    /// What has to come.
    before: Vec<Line>,
}

impl Walk<'_> {
    fn run<'m, I: DoubleEndedIterator<Item = Entry<'m>>>(
        mut self,
        mut iter: I,
        seek: impl Fn(&mut I, Vec<u8>),
        more: impl Fn(&mut Model, &mut Unstructured<'_>) -> Result<()>,
        model: &mut Model,
        input: &mut Unstructured<'_>,
    ) -> Result<()> {
        let (mut front, mut back) = (Vec::new(), Vec::new());
        for _ in 0..u8::arbitrary(input)? % 32 {
            match u8::arbitrary(input)? % 8 {
                0 | 1 => front.extend(iter.next().map(line)),
                2 | 3 => back.extend(iter.next_back().map(line)),
                4 => {
                    let to = key(input)?;
                    // What the seek leaves out has come before it, or need not come.
                    let come =
                        |line: &Line| line.0 >= to || front.contains(line) || back.contains(line);
                    self.before.retain(come);
                    seek(&mut iter, to);
                }
                _ => more(model, input)?,
            }
        }
        front.extend(iter.map(line));
        front.extend(back.into_iter().rev());
        self.check(&front, model);
        Ok(())
    }

    fn check(&self, lines: &[Line], model: &Model) {
        assert!(lines.is_sorted_by(|a, b| a < b), "{lines:?}");
        for line in lines {
            assert!(model.contains_key(line) && self.bounds.contains(&line.0));
        }
        let Some(at) = self.at else {
            assert!(
                self.before
                    .iter()
                    .all(|line| lines.binary_search(line).is_ok())
            );
            return;
        };
        assert!(
            lines.is_sorted_by(|a, b| a.0 != b.0),
            "a key twice: {lines:?}"
        );
        assert!(lines.iter().all(|line| line.1.0 <= at));
        for (key, version) in &self.before {
            let newer = |line: &&Line| line.0 == *key && line.1.0 >= version.0;
            assert!(lines.iter().any(|line| newer(&line)), "{key:?} is missing");
        }
    }
}
