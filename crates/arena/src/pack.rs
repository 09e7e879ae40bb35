//! How an epoch, a slot and a length share a word: pure arithmetic, one shift or mask each.
//!
//! ```text
//! stamp   epoch:40 | 0            in a slot, in the pool's `current` word, in a thread's writer
//! tag     epoch:40 | length:24    in a handle
//! ```
//!
//! The slot of an epoch is its number's lowest bits, as many as the pool has slots: so a handle
//! need not carry it, and its address stays a whole pointer.

#![forbid(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a handle is a 64-bit address and a 64-bit tag: epoch-arena needs a 64-bit target");

/// Bits of a length; the bits above hold the epoch.
pub const LEN_BITS: u32 = 24;
/// Bits of an epoch.
pub const EPOCH_BITS: u32 = 40;

const _: () = assert!(EPOCH_BITS + LEN_BITS == 64);

/// The longest allocation a handle can describe: 16 MiB - 1.
pub const MAX_LEN: usize = (1 << LEN_BITS) - 1;
/// The last epoch. The number above it is [`EMPTY`]'s.
pub const MAX_EPOCH: u64 = (1 << EPOCH_BITS) - 2;
/// The most slots of a pool.
pub const MAX_SLOTS: usize = 1 << 17;

const LOW: u64 = (1 << LEN_BITS) - 1;

/// The stamp of a slot without a live epoch, and of a writer without a chunk: that of the one
/// epoch number that is never given out.
pub const EMPTY: u64 = stamp(MAX_EPOCH + 1);

/// The stamp of an epoch.
#[inline(always)]
pub const fn stamp(epoch: u64) -> u64 {
    epoch << LEN_BITS
}

/// The epoch of a stamp or tag.
#[inline(always)]
pub const fn epoch(word: u64) -> u64 {
    word >> LEN_BITS
}

/// The slot of a stamp or tag, where the slots are a power of two and `mask` is one below it.
#[inline(always)]
pub const fn slot(word: u64, mask: usize) -> usize {
    (word >> LEN_BITS) as usize & mask
}

/// A handle's tag, from a stamp and a length of at most [`MAX_LEN`].
#[inline(always)]
pub const fn tag(stamp: u64, len: usize) -> u64 {
    stamp | len as u64
}

/// The length in a tag.
#[inline(always)]
pub const fn len(tag: u64) -> usize {
    (tag & LOW) as usize
}

/// The length in a tag if its epoch is that of `stamp`: one subtraction, one compare. If the
/// epochs differ, so do the words, by more than any length.
#[inline(always)]
pub const fn len_under(stamp: u64, tag: u64) -> Option<usize> {
    let len = tag.wrapping_sub(stamp);
    if len <= LOW { Some(len as usize) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is truncated, no field leaks into another, and a length
    /// comes out under the right stamp only.
    #[test]
    fn every_field_survives_next_to_every_extreme() {
        assert_eq!((MAX_EPOCH + 2, MAX_LEN + 1), (1 << 40, 16 << 20));
        let epochs = [0, 1, 2, 0x12_3456_789a, 1 << 39, MAX_EPOCH - 1, MAX_EPOCH];
        for e in epochs {
            assert_ne!(stamp(e), EMPTY);
            for len in [0, 1, 255, MAX_LEN] {
                let tag = tag(stamp(e), len);
                assert_eq!((epoch(tag), self::len(tag)), (e, len));
                for slots in [1, 2, 64, MAX_SLOTS] {
                    assert_eq!(slot(tag, slots - 1) as u64, e % slots as u64);
                }
                for other in epochs.into_iter().chain([e ^ 1, e ^ (1 << 20)]) {
                    let expected = (other == e).then_some(len);
                    assert_eq!(len_under(stamp(other), tag), expected);
                }
                assert_eq!(len_under(EMPTY, tag), None);
            }
        }
    }
}
