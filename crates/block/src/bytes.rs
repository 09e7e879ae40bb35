//! Numbers of bytes, for people.

use core::fmt;

/// A number of bytes, displayed for people: `1.5 MiB`.
#[doc(hidden)]
pub struct Bytes(pub usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

/// A number of things, for people: `1 chunk`, `2 chunks`.
#[doc(hidden)]
pub struct Count(pub usize, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

#[cfg(all(test, feature = "std", not(epoch_arena_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_unit_begins_where_the_one_before_ends() {
        let shown = [
            0,
            1023,
            1024,
            1536,
            (1 << 20) - 1,
            1 << 20,
            1 << 30,
            1 << 40,
            5 << 50,
        ];
        let shown = shown.map(|bytes| std::format!("{}", Bytes(bytes)));
        let expected = "0 B,1023 B,1.0 KiB,1.5 KiB,1024.0 KiB,1.0 MiB,1.0 GiB,1.0 TiB,5120.0 TiB";
        assert_eq!(shown.join(","), expected);
        let counts = [0, 1, 2].map(|count| std::format!("{}", Count(count, "chunk")));
        assert_eq!(counts, ["0 chunks", "1 chunk", "2 chunks"]);
    }
}
