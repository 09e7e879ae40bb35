//! The request distribution: Zipf's, as YCSB draws it.

/// The skew that YCSB uses.
const THETA: f64 = 0.99;

/// Draws ranks below a number, the lowest most often, in constant time: the method of Gray and others ("Quickly
/// generating billion-record synthetic databases", 1994), which YCSB uses.
#[derive(Debug)]
pub struct Zipf {
    items: u64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    /// Over `items` ranks; sums as many terms.
    pub fn new(items: u64) -> Self {
        let zeta = zeta(items);
        let of_two = zeta_of_two();
        let eta = (1.0 - (2.0 / items as f64).powf(1.0 - THETA)) / (1.0 - of_two / zeta);
        Self {
            items,
            zeta,
            alpha: 1.0 / (1.0 - THETA),
            eta,
        }
    }

    /// A rank, from 0 on.
    pub fn rank(&self, random: &mut fastrand::Rng) -> u64 {
        let u = random.f64();
        let at = u * self.zeta;
        if at < 1.0 {
            return 0;
        }
        if at < zeta_of_two() {
            return 1.min(self.items - 1);
        }
        let rank = self.items as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.items - 1)
    }

    /// A number of a record: a rank, scattered, so that popular records do not lie side by side.
    pub fn scrambled(&self, random: &mut fastrand::Rng) -> u64 {
        hash(self.rank(random)) % self.items
    }
}

fn zeta(items: u64) -> f64 {
    (1..=items).map(|rank| (rank as f64).powf(-THETA)).sum()
}

fn zeta_of_two() -> f64 {
    1.0 + 0.5_f64.powf(THETA)
}

/// FNV-1a over the eight bytes, with which YCSB scatters.
pub fn hash(number: u64) -> u64 {
    number
        .to_le_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: u64 = 1000;
    const DRAWS: usize = 400_000;

    fn ranks() -> Vec<f64> {
        let (zipf, mut random) = (Zipf::new(ITEMS), fastrand::Rng::with_seed(1));
        let mut counts = vec![0.0; ITEMS as usize];
        (0..DRAWS).for_each(|_| counts[zipf.rank(&mut random) as usize] += 1.0);
        counts
    }

    #[test]
    fn the_first_ranks_are_drawn_as_often_as_the_law_says() {
        let counts = ranks();
        // The first two are exact, by construction of the method.
        for rank in [0, 1] {
            let expected = DRAWS as f64 * ((rank + 1) as f64).powf(-THETA) / zeta(ITEMS);
            let off = counts[rank] / expected - 1.0;
            assert!(off.abs() < 0.03, "rank {rank} is off by {off}");
        }
        // The share of the first tenth and of the first half, for which the method is an approximation.
        for part in [100, 500] {
            let drawn = counts[..part].iter().sum::<f64>() / DRAWS as f64;
            let expected = zeta(part as u64) / zeta(ITEMS);
            assert!((drawn - expected).abs() < 0.02, "{drawn} for {expected}");
        }
        assert!(counts.iter().all(|count| *count > 0.0), "every rank occurs");
    }

    #[test]
    fn scattered_ranks_stay_below_the_number_of_records() {
        for items in [1, 2, 10, ITEMS] {
            let (zipf, mut random) = (Zipf::new(items), fastrand::Rng::with_seed(2));
            assert!((0..10_000).all(|_| zipf.scrambled(&mut random) < items));
        }
    }
}
