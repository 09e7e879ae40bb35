//! Values that know whether they are whole: a checksum, then the bytes.

use crate::rng::Rng;

/// Bytes of the checksum.
pub const SUM: usize = 8;

/// A value in the making: its checksum and its body.
pub struct Value {
    /// The checksum.
    pub sum: [u8; SUM],
    /// The rest.
    pub body: Vec<u8>,
}

impl Value {
    /// A random value: short, mostly.
    pub fn new(rng: &mut Rng) -> Self {
        let len = match rng.below(1000) {
            0 => rng.below(300_000),
            1..10 => rng.below(9_000),
            _ => rng.below(180),
        };
        let mut body = vec![0; len];
        for part in body.chunks_mut(8) {
            part.copy_from_slice(&rng.next().to_le_bytes()[..part.len()]);
        }
        let sum = checksum(&body);
        Self { sum, body }
    }

    /// Bytes of all of it.
    pub fn len(&self) -> usize {
        SUM + self.body.len()
    }

    /// Writes it.
    pub fn write(&self, room: &mut [u8]) {
        let (sum, body) = room.split_at_mut(SUM);
        sum.copy_from_slice(&self.sum);
        body.copy_from_slice(&self.body);
    }
}

/// Whether these bytes are a value as it was written.
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes
        .split_first_chunk::<SUM>()
        .is_some_and(|(sum, body)| *sum == checksum(body))
}

/// Over the length and all bytes, eight at a time; every step is a bijection of its input, so no single
/// wrong byte is missed.
fn checksum(body: &[u8]) -> [u8; SUM] {
    let mut sum = 0x9e37_79b9_7f4a_7c15 ^ body.len() as u64;
    for part in body.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9fb2_1c65_1e98_df25);
        sum ^= sum >> 32;
    }
    sum.to_be_bytes()
}
