//! The size of a thread's next chunk: it grows with the bytes that the thread has taken in the epoch.

#![forbid(unsafe_code)]

use epoch_arena_block::raw::{Class, Request, SMALLEST, region_size};

/// Bytes of the largest chunk that growth leads to.
pub const LARGEST_GROWTH: usize = 256 << 10;

/// A chunk is at most this part of the bytes that its thread has taken in its epoch, so that the unused
/// rest of a thread's chunk is at most 1/64 of the thread's bytes, whatever the number of threads.
const SHARE: usize = 64;

/// At the start of an epoch a chunk may be a larger part than [`SHARE`] says, as long as it is small
/// anyway: with smaller ones, the refills would cost the first MiB of an epoch as much as its puts.
const EARLY_SHARE: usize = 8;

/// Bytes of the largest chunk to which that applies; [`SHARE`] allows more from 2 MiB on.
const EARLY: usize = 32 << 10;

/// Bytes up to which each chunk may be as large as all before it.
const DOUBLING: usize = 4 << 10;

/// Bytes up to which a first chunk may be as large as all that the thread took in the epoch before.
const LARGEST_FIRST: usize = 64 << 10;

/// Epochs with one chunk each after which a thread tries a smaller first one.
const CALM: u8 = 8;

/// A request of at most this many bytes may have its thread take a new chunk in place of one that still has room. For a
/// larger one a `Writer` tries the chunk for large values first.
pub const SMALL: usize = 4 << 10;

/// The largest part of a block for which a chunk for large values is taken; beyond, it is a region.
const BLOCK_SHARE: usize = 8;

/// Bytes up to which values are never given a region of their own, as its last page would be much of it.
const SMALLEST_ALONE: usize = 16 << 10;

/// The next chunk of a thread that has taken `taken` bytes in this epoch.
pub fn after(taken: usize) -> Class {
    let early = (taken / EARLY_SHARE).min(EARLY);
    let size = (taken / SHARE).max(early).max(taken.min(DOUBLING));
    let size = size.clamp(SMALLEST, LARGEST_GROWTH);
    Class::of(1 << size.ilog2())
}

/// The place for a request that does not fit its thread's chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A new chunk for the thread. The rest of the one before it is less than the request needs.
    Chunk(Request),
    /// The thread's chunk for large values, or a new one; the thread's chunk stays in use.
    Large(Request),
    /// A region of its own.
    Alone(Request),
    /// More than any region can have.
    TooLarge,
}

/// The place for a request of `total` bytes, header and padding included. Its thread has taken `taken` bytes in this
/// epoch for its own chunks and `large` bytes for large values, and begins an epoch with `first`.
pub fn next(
    total: usize,
    (taken, large): (usize, usize),
    first: First,
    unit: usize,
    confined: bool,
) -> Next {
    let top = Class::of(unit);
    let chunk = |wanted: Class, least: Class| {
        // A chunk for the quarantine is whole pages.
        let floor = Class::of(if confined { 8 * SMALLEST } else { SMALLEST });
        let least = least.max(floor);
        Request::Chunk {
            wanted: wanted.max(least).min(top),
            least,
            confined,
        }
    };
    if total > (unit / BLOCK_SHARE).max(SMALLEST_ALONE).min(unit) {
        return region_size(total).map_or(Next::TooLarge, |size| Next::Alone(Request::Alone(size)));
    }
    let Some(least) = Class::covering(total) else {
        return Next::TooLarge;
    };
    let growth = first.or_after(taken + large);
    if total <= SMALL.max(growth.size() / 4) {
        let roomy = Class::covering(4 * total).unwrap_or(top);
        return Next::Chunk(chunk(growth.max(roomy), least));
    }
    // As large as all such chunks before it, so that the loss at their ends is small; but no larger
    // than for eight of these values.
    let roomy = Class::covering(large).unwrap_or(top);
    let eight = Class::covering(total.saturating_mul(8)).unwrap_or(top);
    Next::Large(chunk(roomy.min(eight).max(least), least))
}

/// The first chunk of a thread in an epoch, as large as all of its chunks in the epoch before. If those were many
/// bytes, the next chunks are as large as the last ones of that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// The class of the first chunk.
    pub class: Class,
    /// Epochs in a row that needed one chunk.
    calm: u8,
    /// Bytes that were taken in the epoch before.
    before: usize,
}

impl First {
    /// For a thread that knows nothing yet.
    pub const fn new() -> Self {
        Self {
            class: Class::FIRST,
            calm: 0,
            before: 0,
        }
    }

    /// The next chunk, after `taken` bytes: as large as the last ones of the epoch before, but no larger than all that
    /// is taken so far.
    fn or_after(self, taken: usize) -> Class {
        if taken == 0 {
            return self.class;
        }
        let so_far = Class::of(1 << taken.max(SMALLEST).ilog2());
        after(taken).max(after(self.before).min(so_far))
    }

    /// After an epoch in which the thread took `taken` bytes in `chunks` chunks.
    pub fn learn(self, taken: usize, chunks: usize) -> Self {
        if chunks > 1 {
            // One chunk for all. If that would be too large, all chunks as large as the last ones of the epoch: all
            // alike, so that each returned one fits the next request, the warmest first.
            let all = Class::covering(taken).filter(|all| all.size() <= LARGEST_FIRST);
            return Self {
                class: all.unwrap_or(after(taken)),
                calm: 0,
                before: taken,
            };
        }
        if self.calm < CALM {
            return Self {
                calm: self.calm + 1,
                before: taken,
                ..self
            };
        }
        Self {
            class: Class::of((self.class.size() / 2).max(SMALLEST)),
            calm: 0,
            before: taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: usize = 2 << 20;

    fn request(total: usize, taken: usize, unit: usize) -> Next {
        next(total, (taken, 0), First::new(), unit, false)
    }

    #[test]
    fn a_chunk_is_at_most_a_share_of_what_its_thread_has() {
        let mut last = Class::FIRST;
        let step = if cfg!(miri) { 257 * SMALLEST } else { SMALLEST };
        for taken in (0..64 << 20).step_by(step) {
            let class = after(taken);
            let share = class.size() <= taken / SHARE;
            let early = class.size() <= (taken / EARLY_SHARE).min(EARLY);
            let first = class.size() <= DOUBLING && class.size() <= taken;
            assert!(share || early || first || class == Class::FIRST);
            assert!(class >= last && class.size() <= LARGEST_GROWTH);
            last = class;
        }
        assert_eq!(last.size(), LARGEST_GROWTH, "a large epoch reaches the top");
        // All of it, an eighth, no more than 32 KiB, a 64th.
        let sizes = [3 << 10, 100 << 10, 1 << 20, 8 << 20].map(|taken| after(taken).size() >> 10);
        assert_eq!(sizes, [2, 8, 32, 128]);
    }

    /// Steady epochs take few chunks, and one that ends early has little unused.
    #[test]
    fn an_epoch_goes_on_as_the_one_before() {
        let first = First::new().learn(8 << 20, 200);
        let (mut taken, mut chunks) = (0, 0);
        while taken < 8 << 20 {
            let class = first.or_after(taken);
            assert_eq!(class, first.class, "all alike");
            taken += class.size();
            chunks += 1;
        }
        assert_eq!(chunks, SHARE);
    }

    /// After one large request some arenas loop, or make the next chunks large; this one does not.
    #[test]
    fn a_large_request_leaves_the_threads_chunk_alone() {
        for total in [33, 512, 4096, 4097, 65_536, UNIT / 8] {
            let (Next::Chunk(asked) | Next::Large(asked)) = request(total, 0, UNIT) else {
                panic!("{total} bytes are no region");
            };
            let Request::Chunk { wanted, least, .. } = asked else {
                panic!("a chunk");
            };
            assert!(least.size() >= total && wanted >= least);
            let own = matches!(request(total, 0, UNIT), Next::Large(_));
            assert_eq!(own, total > SMALL);
        }
        for total in [UNIT / 8 + 1, UNIT, 1 << 40] {
            let Next::Alone(Request::Alone(size)) = request(total, 0, UNIT) else {
                panic!("{total} bytes are a region");
            };
            assert!(size >= total && size < total + 65_536);
        }
        assert_eq!(request(usize::MAX, 0, UNIT), Next::TooLarge);
        for taken in [0, 1 << 20, 1 << 30] {
            let Next::Chunk(Request::Chunk { wanted, .. }) = request(100, taken, 4096) else {
                panic!("a chunk");
            };
            assert!(wanted.size() <= 4096, "blocks of one page");
        }
    }

    #[test]
    fn a_first_chunk_follows_what_was_needed_and_shrinks_in_time() {
        let mut first = First::new().learn(20_000, 6);
        assert_eq!(first.class.size(), 32_768);
        for _ in 0..CALM {
            first = first.learn(32_768, 1);
            assert_eq!(first.class.size(), 32_768);
        }
        first = first.learn(32_768, 1);
        assert_eq!(first.class.size(), 16_384);
        for _ in 0..1_000 {
            first = first.learn(512, 1);
        }
        assert_eq!(first.class, Class::FIRST);
        assert_eq!(first.learn(LARGEST_FIRST, 9).class.size(), LARGEST_FIRST);
        assert_eq!(first.learn(1 << 20, 100).class.size(), EARLY);
        assert_eq!(first.learn(1 << 30, 100).class.size(), LARGEST_GROWTH);
        let small_again = First::new().learn(8 << 20, 200).learn(512, 1);
        assert_eq!(small_again.or_after(1 << 20), after(1 << 20));
    }

    /// Four of these values at least fit the next chunk, so that it replaces the thread's; larger ones go elsewhere.
    #[test]
    fn a_value_goes_into_the_threads_chunks_up_to_a_quarter_of_the_next() {
        let taken = 64 << 20;
        let quarter = after(taken).size() / 4;
        assert!(quarter > SMALL);
        assert!(matches!(request(quarter, taken, UNIT), Next::Chunk(_)));
        assert!(matches!(request(quarter + 1, taken, UNIT), Next::Large(_)));
        for total in [600, SMALL] {
            let Next::Chunk(Request::Chunk { wanted, .. }) = request(total, 0, UNIT) else {
                panic!("a chunk");
            };
            assert!(wanted.size() >= 4 * total);
        }
    }

    /// A chunk for the quarantine is whole pages, however little is asked for.
    #[test]
    fn a_confined_chunk_is_a_page_at_least() {
        let next = next(33, (0, 0), First::new(), UNIT, true);
        let Next::Chunk(Request::Chunk {
            least,
            wanted,
            confined,
        }) = next
        else {
            panic!("a chunk");
        };
        assert!(least.size() >= 4096 && wanted >= least && confined);
    }
}
