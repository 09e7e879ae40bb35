//! The free regions: blocks in the order of their use, and regions of other sizes.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, VecDeque};

use crate::chunks::class::{Shelf, larger_region};
use crate::region::Region;

/// [`Regions::take_block`] looks among so many of the warmest blocks for one that was on the same shelf.
const NEAR: usize = 32;

/// Length and address of the region that was tried last; see [`Regions::take_coldest`].
pub(super) struct Before((usize, usize));

impl Default for Before {
    fn default() -> Self {
        Self((usize::MAX, usize::MAX))
    }
}

/// Free regions.
pub(super) struct Regions {
    /// Their bytes.
    bytes: usize,
    /// The blocks, each with the shelf that it was on last, if any. The last block was used last, so it is the warmest.
    blocks: VecDeque<(Region, Option<Shelf>)>,
    /// The regions of other sizes, by length and address.
    others: BTreeMap<(usize, usize), Region>,
    /// Bytes of a block.
    unit: usize,
}

impl Regions {
    pub fn new(unit: usize) -> Self {
        Self {
            bytes: 0,
            blocks: VecDeque::new(),
            others: BTreeMap::new(),
            unit,
        }
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.blocks.len() + self.others.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        let blocks = self.blocks.iter().map(|(region, _)| region);
        blocks.chain(self.others.values())
    }

    /// Keeps a region as the warmest. `shelf` is the one that its chunks were on.
    pub fn keep(&mut self, region: Region, shelf: Option<Shelf>) {
        self.bytes += region.len();
        if region.len() == self.unit {
            self.blocks.push_back((region, shelf));
        } else {
            let key = (region.len(), region.base().addr().get());
            self.others.insert(key, region);
        }
    }

    /// Keeps a region that had chunks in its first `carved` bytes: as the warmest; or, if most of it was not touched, as
    /// the coldest, so that a block of a few small chunks stays out of physical memory where another will do.
    pub fn keep_emptied(&mut self, region: Region, shelf: Shelf, carved: usize) {
        if region.len() == self.unit && carved < self.unit / 2 {
            self.bytes += region.len();
            self.blocks.push_front((region, Some(shelf)));
        } else {
            self.keep(region, Some(shelf));
        }
    }

    /// Keeps a block that no thread has had, as the coldest.
    pub fn keep_unused(&mut self, block: Region) {
        self.bytes += block.len();
        self.blocks.push_front((block, None));
    }

    /// A region of at least `size` bytes, and hardly more; the warmest, if a block is asked for.
    pub fn take(&mut self, size: usize, exact: bool) -> Option<Region> {
        let region = if size == self.unit {
            self.blocks.pop_back().map(|(region, _)| region)
        } else {
            let most = if exact { size } else { larger_region(size) };
            let (&key, _) = self.others.range((size, 0)..=(most, usize::MAX)).next()?;
            self.others.remove(&key)
        };
        self.taken(region?)
    }

    /// A block for `shelf`: one that was on it last, if that is near; else the warmest.
    pub fn take_block(&mut self, shelf: Shelf) -> Option<Region> {
        let last = self.blocks.len().checked_sub(1)?;
        let mut near = self.blocks.iter().rev().take(NEAR);
        let own = near.position(|(_, had)| *had == Some(shelf)).unwrap_or(0);
        let (block, _) = self.blocks.remove(last - own)?;
        self.taken(block)
    }

    /// A region to be given up: one of another size than a block's, else the coldest block. Regions of other sizes come
    /// largest first, and only those `before` a length and an address; then `before` is the length and address of this
    /// one.
    pub fn take_coldest(&mut self, before: &mut Before) -> Option<Region> {
        let other = self.others.range(..before.0).next_back();
        let region = match other.map(|(key, _)| *key) {
            Some(key) => {
                before.0 = key;
                self.others.remove(&key)
            }
            None => self.blocks.pop_front().map(|(region, _)| region),
        };
        self.taken(region?)
    }

    fn taken(&mut self, region: Region) -> Option<Region> {
        self.bytes -= region.len();
        Some(region)
    }
}
