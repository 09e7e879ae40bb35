//! Many at a time: what waits for memory waits once for a group.

use std::array::{self, IntoIter};
use std::iter::{Fuse, Take};

/// How many are a group: about as many cache misses as a core overlaps.
pub(crate) const GROUP: usize = 8;

/// An iterator over what `find` gives for the items of another one, of which it takes a group at a time. Where there
/// are fewer, the items of a group come first.
#[derive(Debug)]
pub(crate) struct Groups<I: Iterator, T, F> {
    items: Fuse<I>,
    find: F,
    /// What was found, and is to be given out.
    found: Take<IntoIter<Option<T>, GROUP>>,
}

impl<I, T, F> Groups<I, T, F>
where
    I: Iterator,
    F: FnMut([Option<I::Item>; GROUP]) -> [Option<T>; GROUP],
{
    /// Takes nothing yet.
    #[inline]
    pub fn new(items: impl IntoIterator<IntoIter = I>, find: F) -> Self {
        Self {
            items: items.into_iter().fuse(),
            find,
            found: [const { None }; GROUP].into_iter().take(0),
        }
    }
}

impl<I, T, F> Iterator for Groups<I, T, F>
where
    I: Iterator,
    F: FnMut([Option<I::Item>; GROUP]) -> [Option<T>; GROUP],
{
    type Item = Option<T>;

    #[inline]
    fn next(&mut self) -> Option<Option<T>> {
        if self.found.len() == 0 {
            let mut count = 0;
            let group = array::from_fn(|_| self.items.next().inspect(|_| count += 1));
            if count > 0 {
                self.found = (self.find)(group).into_iter().take(count);
            }
        }
        self.found.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let found = self.found.len();
        let (least, most) = self.items.size_hint();
        let most = most.and_then(|most| most.checked_add(found));
        (least.saturating_add(found), most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each item comes to `find` once and in order, whatever is left for the last group.
    #[test]
    fn groups_give_what_each_item_gives() {
        for count in 0..=3 * GROUP {
            let mut groups = 0;
            let mut found = Groups::new(0..count, |group| {
                groups += 1;
                group.map(|item| item.filter(|item| item % 3 != 0))
            });
            for item in 0..count {
                assert_eq!(found.size_hint(), (count - item, Some(count - item)));
                assert_eq!(found.next(), Some((item % 3 != 0).then_some(item)));
            }
            assert_eq!((found.next(), found.next()), (None, None));
            assert_eq!(groups, count.div_ceil(GROUP));
        }
    }

    /// An iterator that goes on after its end is not asked again.
    #[test]
    fn groups_end_with_the_items() {
        let mut asked = 0;
        let items = std::iter::from_fn(|| {
            asked += 1;
            (asked != 3).then_some(asked)
        });
        let found: Vec<_> = Groups::new(items, |group| group).collect();
        assert_eq!(found, [Some(1), Some(2)]);
        assert_eq!(asked, 3);
    }
}
