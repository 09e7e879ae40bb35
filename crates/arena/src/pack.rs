//! How epoch, slot, address and length share two words: pure arithmetic, one shift or mask each.
//!
//! ```text
//! place   slot:16 | address:48
//! tag     epoch:40 | length:24      in a handle
//!         epoch:40 | slot:24        in the pool's `current` word and in a chunk's owner word
//!         epoch:40 | 0              in a slot's stamp
//! ```

#![forbid(unsafe_code)]

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
/// The last epoch.
pub const MAX_EPOCH: u64 = (1 << EPOCH_BITS) - 1;

const LOW: u64 = (1 << LEN_BITS) - 1;
const ADDRESS: usize = (1 << ADDRESS_BITS) - 1;

/// The stamp of a slot without a live epoch. It equals no stamp of an epoch, as those end in
/// zeros, and no owner word of a chunk, as slots have 16 bits.
pub const EMPTY: u64 = u64::MAX;

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
