//! The classes of chunks: powers of two, and which one a thread takes next.

#![forbid(unsafe_code)]

/// Bytes of the smallest chunk: what an epoch of one key costs per thread that writes to it.
pub const SMALLEST: usize = 4096;

/// Classes that a thread's growth uses: 4, 8, 16 ... 256 KiB.
pub const GROWTH_CLASSES: usize = 7;

/// Bytes of the largest of these.
pub const LARGEST_GROWTH: usize = SMALLEST << (GROWTH_CLASSES - 1);

/// Classes there are: the largest is 1 GiB, the largest block.
pub const CLASSES: usize = 19;

/// A chunk is at most this part of what its thread has taken in its epoch, so that the unused
/// rest of a thread's chunk is at most 1/64 of the thread's bytes, whatever the number of threads.
/// (Unless a single value is larger than a quarter of that: then it is four times the value.)
const SHARE: usize = 64;

/// At the start of an epoch a chunk may be a larger part than [`SHARE`] says, as long as it is small
/// anyway: with smaller ones, the refills would cost the first MiB of an epoch as much as its puts.
const EARLY_SHARE: usize = 8;

/// Bytes of the largest chunk to which that applies; [`SHARE`] allows more from 2 MiB on.
const EARLY: usize = 32 << 10;

/// The class of a chunk: `SMALLEST << class` bytes, header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(u8);

/// The chunk that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The class to take if there is a choice.
    pub wanted: Class,
    /// The class that is just enough, to be taken before new memory is.
    pub least: Class,
    /// Whether the chunk is for this request alone.
    pub own: bool,
}

impl Class {
    /// The smallest.
    pub const FIRST: Class = Class(0);

    /// The class of exactly `bytes` bytes, a power of two from [`SMALLEST`] to 1 GiB.
    pub const fn of(bytes: usize) -> Self {
        debug_assert!(bytes.is_power_of_two() && bytes >= SMALLEST);
        Self((bytes.trailing_zeros() - SMALLEST.trailing_zeros()) as u8)
    }

    /// The smallest class of at least `bytes` bytes, if there is one.
    pub fn covering(bytes: usize) -> Option<Self> {
        let size = bytes.max(SMALLEST).checked_next_power_of_two()?;
        let class = Self::of(size);
        (class.index() < CLASSES).then_some(class)
    }

    /// The class that a thread takes next which has taken `taken` bytes in this epoch.
    pub fn after(taken: usize) -> Self {
        let early = (taken / EARLY_SHARE).min(EARLY);
        let share = (taken / SHARE).max(early).max(SMALLEST);
        let class = share.ilog2() - SMALLEST.ilog2();
        Self(class.min(GROWTH_CLASSES as u32 - 1) as u8)
    }

    /// What to take for a request of `total` bytes, header included, that did not fit the chunk
    /// of a thread which has taken `taken` bytes. Classes stop at `unit`, the size of a block;
    /// what is larger is not split off a block, and its class says nothing.
    ///
    /// The rest of a thread's chunk is lost when it takes another, so a request that is large
    /// against the next chunk gets one of its own and leaves the thread's chunk in use.
    pub fn request(total: usize, taken: usize, unit: usize) -> Request {
        const LARGEST_SHARED: usize = LARGEST_GROWTH / 4;
        let top = Self::of(unit);
        let least = Self::covering(total).map_or(top, |least| least.min(top));
        let roomy = Self::covering(total.saturating_mul(4)).unwrap_or(top);
        let own = total > LARGEST_SHARED || roomy > top;
        let wanted = if own {
            least
        } else {
            Self::after(taken).max(roomy).min(top)
        };
        Request { wanted, least, own }
    }

    /// The index, below [`CLASSES`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a chunk.
    pub const fn size(self) -> usize {
        SMALLEST << self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covering_is_the_smallest_that_covers() {
        assert_eq!(Class::covering(0), Some(Class::FIRST));
        assert_eq!(Class::covering(4096), Some(Class::FIRST));
        for bytes in [4097, 8192, 100_000, (1 << 30) - 1, 1 << 30] {
            let class = Class::covering(bytes).unwrap();
            assert!(class.size() >= bytes && class.size() / 2 < bytes);
        }
        assert_eq!(Class::covering((1 << 30) + 1), None);
        assert_eq!(Class::covering(usize::MAX), None);
    }

    #[test]
    fn bug19_a_chunk_is_at_most_a_share_of_what_its_thread_has() {
        let mut last = Class::FIRST;
        for taken in (0..64 << 20).step_by(4096) {
            let class = Class::after(taken);
            let share = class.size() <= taken / SHARE;
            let early = class.size() <= (taken / EARLY_SHARE).min(EARLY);
            assert!(share || early || class == Class::FIRST);
            assert!(class >= last && class.index() < GROWTH_CLASSES);
            last = class;
        }
        assert_eq!(
            last.index(),
            GROWTH_CLASSES - 1,
            "a large epoch reaches the top"
        );
    }

    /// Peer bug 20: one large object neither loops nor makes the next chunks large.
    #[test]
    fn bug20_a_large_request_stands_alone_and_a_small_one_never_does() {
        const UNIT: usize = 2 << 20;
        for total in [1, 64, 4096, 4097, 65_536, 65_537, 1 << 20, UNIT] {
            let request = Class::request(total, 0, UNIT);
            assert!(request.least.size() >= total && request.wanted >= request.least);
            assert_eq!(request.own, total > 65_536);
            if !request.own {
                assert!(
                    request.wanted.size() >= 4 * total,
                    "a rest of at most a quarter"
                );
                assert!(request.wanted.index() < GROWTH_CLASSES);
            }
        }
        for total in [UNIT + 1, 1 << 30, usize::MAX] {
            let request = Class::request(total, 0, UNIT);
            assert!(request.own && request.wanted.size() == UNIT);
        }
        for taken in [0, 1 << 20, 1 << 30] {
            let request = Class::request(100, taken, SMALLEST);
            assert_eq!(request.wanted, Class::FIRST, "blocks of one chunk");
        }
    }
}
