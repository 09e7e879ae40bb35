//! Keys, versions and bounds from a program's bytes.

use std::cmp::Reverse;
use std::ops::Bound;

use arbitrary::{Result, Unstructured};

/// What orders records.
pub type Line = (Vec<u8>, Reverse<u64>);
/// A range of keys.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Keys that share what they begin with, of several lengths, and keys that differ in trailing zeros only. Most are from
/// so few that they come again.
pub fn key(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let shape: u8 = input.arbitrary()?;
    let prefix = match shape / 4 {
        0..48 => 8,
        other => [0, 1, 7, 9, 24, 100, 300][usize::from(other) % 7],
    };
    let mut key = vec![b'p'; prefix];
    for _ in 0..shape % 4 {
        let byte: u8 = input.arbitrary()?;
        let letters = [0, b'p', 255];
        key.push(if byte < 224 {
            letters[usize::from(byte) % 3]
        } else {
            byte
        });
    }
    Ok(key)
}

/// A small version, mostly.
pub fn version(input: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match input.arbitrary::<u8>()? {
        small @ 0..250 => u64::from(small % 16),
        large => u64::MAX - u64::from(255 - large),
    })
}

/// A range, which may be inside out.
pub fn bounds(input: &mut Unstructured<'_>) -> Result<Bounds> {
    Ok((bound(input)?, bound(input)?))
}

fn bound(input: &mut Unstructured<'_>) -> Result<Bound<Vec<u8>>> {
    Ok(match input.arbitrary::<u8>()? % 3 {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(input)?),
        _ => Bound::Excluded(key(input)?),
    })
}
