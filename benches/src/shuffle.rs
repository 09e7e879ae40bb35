//! A random order that is the same in every run.

/// Shuffles `items` (Fisher and Yates), from a fixed seed.
pub fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The high half of a product: a range without a division, and bias far below what matters here.
        let other = (u128::from(state) * (at as u128 + 1)) >> 64;
        items.swap(at, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_items_in_another_order_every_time_the_same() {
        let mut first: Vec<u32> = (0..1000).collect();
        let mut second = first.clone();
        shuffle(&mut first);
        shuffle(&mut second);
        assert_eq!(first, second);
        assert!(!first.is_sorted());
        first.sort_unstable();
        assert!(first.into_iter().eq(0..1000));
    }
}
