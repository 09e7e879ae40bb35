//! The little arithmetic that every figure goes through.

/// The middle value; of an even number, the mean of the two in the middle. `None` of nothing.
///
/// A median and not a mean: a machine shared with others adds time now and then, and never takes any away.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper))
}

/// The lower and the upper quartile (nearest rank): half of all rounds lie between. `None` of fewer than three values.
pub fn quartiles(values: &[f64]) -> Option<[f64; 2]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let of = |q| quantile(&sorted, q);
    (sorted.len() > 2).then_some([of(0.25)?, of(0.75)?])
}

/// The value that the fraction `q` of `sorted` does not exceed (nearest rank). `None` of nothing.
pub fn quantile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (q.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    Some(sorted[rank.saturating_sub(1).min(last)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_one_and_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn half_of_the_rounds_lie_between_the_quartiles() {
        let values: Vec<f64> = (1..=8).rev().map(f64::from).collect();
        assert_eq!(quartiles(&values), Some([2.0, 6.0]));
        assert_eq!(quartiles(&[1.0, 2.0]), None);
    }

    #[test]
    fn one_wild_round_does_not_move_the_median() {
        assert_eq!(median(&[1.0, 1.0, 1.0, 1.0e9]), Some(1.0));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=1000).collect();
        assert_eq!(quantile(&sorted, 0.5), Some(500));
        assert_eq!(quantile(&sorted, 0.999), Some(999));
        assert_eq!(quantile(&sorted, 1.0), Some(1000));
        assert_eq!(quantile(&sorted, 0.0), Some(1));
        assert_eq!(quantile::<u64>(&[], 0.5), None);
    }
}
