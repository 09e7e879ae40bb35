//! A random order that is the same in every run.

use crate::wire::Keys;

/// Shuffles `items` from a fixed seed.
pub fn shuffle<T>(items: &mut [T]) {
    fastrand::Rng::with_seed(0x2545_f491).shuffle(items);
}

/// Each key once, in random order.
pub fn distinct(keys: &Keys) -> Vec<&[u8]> {
    let mut distinct: Vec<&[u8]> = keys.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    shuffle(&mut distinct);
    distinct
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
