//! The pure functions against arithmetic that cannot overflow.

use arbitrary::{Arbitrary, Result, Unstructured};
use epoch_arena_block::Alignment;
use epoch_arena_block::bump::{place, whole_units};
use epoch_arena_core::pack;

/// Checks the program in `data`.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    while !input.is_empty() {
        // It never fails: missing bytes are zero.
        let _ = one(&mut input);
    }
}

fn one(input: &mut Unstructured<'_>) -> Result<()> {
    match u8::arbitrary(input)? % 4 {
        0 => alignments(number(input)?),
        1 => places(input)?,
        2 => units(number(input)?, 1 << (u8::arbitrary(input)? % 63)),
        _ => words(input)?,
    }
    Ok(())
}

/// A number near a power of two, near the end, or anywhere: where the mistakes are.
fn number(input: &mut Unstructured<'_>) -> Result<usize> {
    let near = usize::from(u8::arbitrary(input)?);
    Ok(match u8::arbitrary(input)? {
        shift @ 0..64 => (1_usize << shift).wrapping_add(near),
        shift @ 64..128 => (1_usize << (shift - 64)).wrapping_sub(near),
        128..160 => near,
        160..192 => usize::MAX - near,
        192.. => usize::arbitrary(input)?,
    })
}

fn alignments(bytes: usize) {
    let is_power = bytes != 0 && bytes & (bytes - 1) == 0;
    match Alignment::new(bytes) {
        Ok(align) => assert!(is_power && align.get() == bytes),
        Err(refused) => assert!(!is_power && refused.0 == bytes),
    }
}

fn places(input: &mut Unstructured<'_>) -> Result<()> {
    let (base, size) = (number(input)?, number(input)?);
    let capacity = number(input)?;
    // As every caller ensures, the used bytes are within the capacity.
    let used = number(input)? % capacity.saturating_add(1).max(1);
    let shift = u8::arbitrary(input)? % 64;
    let align = Alignment::new(1 << shift).expect("a power of two");
    let unit = 1_u128 << shift;
    let start = (base as u128 + used as u128).next_multiple_of(unit) - base as u128;
    let end = start + size as u128;
    // A place whose address wraps is none; the last byte of the address space may be lost.
    let address = base as u128 + used as u128 + unit - 1;
    let fits = end <= capacity as u128 && address <= usize::MAX as u128;
    match place(base, used, capacity, size, align) {
        Some(at) => {
            assert!(fits);
            assert_eq!((at.start as u128, at.end as u128), (start, end));
        }
        None => assert!(!fits),
    }
    Ok(())
}

fn units(bytes: usize, unit: usize) {
    let expected = (bytes.max(1) as u128).next_multiple_of(unit as u128);
    assert_eq!(whole_units(bytes, unit), usize::try_from(expected).ok());
}

fn words(input: &mut Unstructured<'_>) -> Result<()> {
    let epoch = (number(input)? as u64).min(pack::MAX_EPOCH);
    let other = (number(input)? as u64).min(pack::MAX_EPOCH);
    let len = number(input)? & pack::MAX_LEN;
    let slots = 1_usize << (u8::arbitrary(input)? % 17);
    let (stamp, tag) = (pack::stamp(epoch), pack::tag(pack::stamp(epoch), len));
    assert_eq!(u128::from(tag), (u128::from(epoch) << 24) + len as u128);
    assert_eq!(
        (pack::epoch(tag), pack::epoch(stamp), pack::len(tag)),
        (epoch, epoch, len)
    );
    assert_eq!(pack::slot(tag, slots - 1) as u64, epoch % slots as u64);
    assert_eq!(pack::slot(stamp, slots - 1) as u64, epoch % slots as u64);
    assert_eq!(pack::len_under(stamp, tag), Some(len));
    assert_eq!(
        pack::len_under(pack::stamp(other), tag),
        (epoch == other).then_some(len)
    );
    assert_eq!(pack::len_under(pack::EMPTY, tag), None);
    Ok(())
}
