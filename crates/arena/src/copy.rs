//! Copying a short key without a call.

#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "each block is one bound, used for several moves"
)]

use std::ptr::NonNull;

/// Copies `bytes` to `to`: up to 32 bytes by a few overlapping moves and no loop, else `memcpy`.
///
/// A call to `memcpy` costs as much as all the rest of a put; keys are mostly short.
///
/// # Safety
///
/// 1. `to .. to + bytes.len()` is valid for writes.
/// 2. It does not overlap `bytes`.
#[inline(always)]
pub unsafe fn copy(bytes: &[u8], to: NonNull<u8>) {
    let (from, len, to) = (bytes.as_ptr(), bytes.len(), to.as_ptr());
    // The order of the arms and whole integers keep each arm to a few loads and stores.
    // SAFETY: each arm reads and writes only below `len`, as it says. Unaligned accesses are used
    // throughout; the caller promises the rest (1., 2.).
    unsafe {
        match len {
            16..=32 => ends::<u128>(from, to, len),
            4..16 => quarters(from, to, len),
            2..4 => ends::<u16>(from, to, len),
            1 => to.write(*from),
            0 => {}
            _ => from.copy_to_nonoverlapping(to, len),
        }
    }
}

/// Four words that overlap as they must: from both ends, and from four bytes further in if there
/// are eight bytes or more. One arm for lengths that vary from key to key, as a branch for each
/// half of them would be mispredicted as often as not.
///
/// # Safety
///
/// `4 <= len < 16`, `from .. from + len` is readable, and `to .. to + len` writable.
#[inline(always)]
unsafe fn quarters(from: *const u8, to: *mut u8, len: usize) {
    // 0 below eight bytes, else 4: then 4 bytes at `inner` and at `last - inner` are inside.
    let inner = (len & 8) / 2;
    let last = len - 4;
    // SAFETY: `inner + 4 <= len` and `inner <= last`, so all four are within `len`.
    unsafe {
        let words =
            [0, inner, last - inner, last].map(|at| from.add(at).cast::<u32>().read_unaligned());
        for (at, word) in [0, inner, last - inner, last].into_iter().zip(words) {
            to.add(at).cast::<u32>().write_unaligned(word);
        }
    }
}

/// The first and the last `size_of::<W>()` bytes of `len`, which may overlap.
///
/// # Safety
///
/// `size_of::<W>() <= len <= 2 * size_of::<W>()`, `from .. from + len` is readable, and
/// `to .. to + len` writable.
#[inline(always)]
unsafe fn ends<W: Copy>(from: *const u8, to: *mut u8, len: usize) {
    let tail = len - size_of::<W>();
    // SAFETY: both moves stay inside `len` bytes by the bound on it.
    unsafe {
        let first = from.cast::<W>().read_unaligned();
        let last = from.add(tail).cast::<W>().read_unaligned();
        to.cast::<W>().write_unaligned(first);
        to.add(tail).cast::<W>().write_unaligned(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_exactly_and_nothing_around_it_is_touched() {
        let source: Vec<u8> = (1..=80).collect();
        for len in 0..=source.len() {
            let mut target = [0_u8; 100];
            let to = NonNull::from(&mut target[10..]).cast();
            // SAFETY: 90 bytes from index 10 on, and another array than `source`.
            unsafe { copy(&source[..len], to) };
            assert_eq!(&target[10..10 + len], &source[..len]);
            assert!(
                target[..10]
                    .iter()
                    .chain(&target[10 + len..])
                    .all(|b| *b == 0)
            );
        }
    }
}
