//! How epoch, slot, address and length share two words: pure arithmetic, one shift or mask each.
//!
//! ```text
//! place   slot:16 | address:48
//! tag     epoch:40 | length:24      in a handle
//!         epoch:40 | slot:24        in the pool's `current` word and in a chunk's owner word
//!         epoch:40 | 0              in a slot's stamp
//! ```

#![forbid(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("handles pack a slot above a 48-bit address: epoch-arena needs a 64-bit target");

/// Bits of an address; what is above holds the slot.
pub const ADDRESS_BITS: u32 = 48;
/// Bits of a length; what is above holds the epoch.
pub const LEN_BITS: u32 = 24;
/// Bits of a slot.
pub const SLOT_BITS: u32 = 16;
/// Bits of an epoch.
pub const EPOCH_BITS: u32 = 40;

const _: () = {
    assert!(ADDRESS_BITS + SLOT_BITS == 64 && EPOCH_BITS + LEN_BITS == 64);
    assert!(SLOT_BITS <= LEN_BITS);
};

/// The longest allocation a handle can describe: 16 MiB - 1.
pub const MAX_LEN: usize = (1 << LEN_BITS) - 1;
/// The most slots.
pub const MAX_SLOTS: usize = 1 << SLOT_BITS;
/// The last epoch. The number above it is [`EMPTY`]'s.
pub const MAX_EPOCH: u64 = (1 << EPOCH_BITS) - 2;

const LOW: u64 = (1 << LEN_BITS) - 1;
const ADDRESS: usize = (1 << ADDRESS_BITS) - 1;

/// The stamp of a slot without a live epoch, and the owner word of nobody: of the one epoch
/// number that is never given out.
pub const EMPTY: u64 = (MAX_EPOCH + 1) << LEN_BITS;

/// An epoch and its slot, in one word.
#[inline(always)]
pub const fn owner(epoch: u64, slot: u16) -> u64 {
    epoch << LEN_BITS | slot as u64
}

/// The slot of an owner word.
#[inline(always)]
pub const fn owner_slot(owner: u64) -> usize {
    (owner & (MAX_SLOTS as u64 - 1)) as usize
}

/// The stamp of an owner word or of a handle's tag: its epoch, the rest zero.
#[inline(always)]
pub const fn stamp(word: u64) -> u64 {
    word & !LOW
}

/// The epoch of any word that has it on top.
#[inline(always)]
pub const fn epoch(word: u64) -> u64 {
    word >> LEN_BITS
}

/// A handle's tag from a chunk's owner word and a length of at most [`MAX_LEN`].
#[inline(always)]
pub const fn tag(owner: u64, len: usize) -> u64 {
    stamp(owner) | len as u64
}

/// The length in a handle's tag if its epoch is that of `stamp`: one subtraction, one compare. If
/// the epochs differ, so do the words, by more than any length.
#[inline(always)]
pub const fn len_under(stamp: u64, tag: u64) -> Option<usize> {
    let len = tag.wrapping_sub(stamp);
    if len <= LOW { Some(len as usize) } else { None }
}

/// The length in a handle's tag.
#[inline(always)]
pub const fn tag_len(tag: u64) -> usize {
    (tag & LOW) as usize
}

/// A handle's place: the owner's slot above the address, which must fit [`ADDRESS_BITS`].
#[inline(always)]
pub const fn place(owner: u64, address: usize) -> usize {
    (owner << ADDRESS_BITS) as usize | address
}

/// The slot of a handle's place.
#[inline(always)]
pub const fn place_slot(place: usize) -> usize {
    place >> ADDRESS_BITS
}

/// The address of a handle's place.
#[inline(always)]
pub const fn place_address(place: usize) -> usize {
    place & ADDRESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M5, peer bug 9: nothing is truncated, and no field leaks into another.
    #[test]
    fn m5_bug09_every_field_survives_next_to_every_extreme() {
        for e in [0, 1, 0x12_3456_789a, MAX_EPOCH - 1, MAX_EPOCH] {
            for slot in [0, 1, 63, 0x8000, u16::MAX] {
                let owner = owner(e, slot);
                assert_eq!((epoch(owner), owner_slot(owner)), (e, slot as usize));
                assert_ne!(stamp(owner), EMPTY);
                assert_ne!(owner, EMPTY);
                for len in [0, 1, 255, MAX_LEN] {
                    let tag = tag(owner, len);
                    assert_eq!((epoch(tag), tag_len(tag)), (e, len));
                    assert_eq!(stamp(tag), stamp(owner));
                    assert_eq!(len_under(stamp(owner), tag), Some(len));
                    assert_eq!(len_under(EMPTY, tag), None);
                    for other in [0, 1, 2, e ^ 1, e ^ (1 << 39), MAX_EPOCH] {
                        if other != e {
                            assert_eq!(len_under(other << LEN_BITS, tag), None);
                        }
                    }
                }
                for address in [1, 0x7fff_ffff_ffff, ADDRESS] {
                    let place = place(owner, address);
                    assert_eq!(place_slot(place), slot as usize);
                    assert_eq!(place_address(place), address);
                }
            }
        }
    }
}
