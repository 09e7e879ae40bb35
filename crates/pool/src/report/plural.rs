//! Numbers of things, as reports print them.

use std::fmt;

/// So many of what `.1` names: "1 epoch", "2 epochs".
pub(crate) struct Plural(pub usize, pub &'static str);

impl fmt::Display for Plural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n, thing) = self;
        write!(f, "{n} {thing}{}", if *n == 1 { "" } else { "s" })
    }
}
