//! Copying a short key without a call.

#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "each block is one bound, used for several moves"
)]

use std::ptr::NonNull;

/// Copies `bytes` to `to`: up to 32 bytes by two overlapping moves and no loop, else `memcpy`.
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
    // SAFETY: each arm reads and writes only below `len`: a move of N bytes at 0 and one at
    // `len - N`, where N <= len <= 2 N. Unaligned accesses are used throughout; the caller
    // promises the rest (1., 2.).
    unsafe {
        match len {
            0 => {}
            1..=3 => {
                // First, middle, last: for lengths 1, 2 and 3 these are all the bytes.
                let (first, middle, last) = (*from, *from.add(len / 2), *from.add(len - 1));
                to.write(first);
                to.add(len / 2).write(middle);
                to.add(len - 1).write(last);
            }
            4..=7 => ends::<u32>(from, to, len),
            8..=15 => ends::<u64>(from, to, len),
            16..=32 => ends::<[u64; 2]>(from, to, len),
            _ => from.copy_to_nonoverlapping(to, len),
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
