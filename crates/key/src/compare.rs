//! Keys beside bytes and texts: `==`, and `Display`.

use std::fmt;

use crate::{KeyRef, OwnedKey};

/// Takes the types, each with its generic parameters in brackets before it.
macro_rules! equals {
    ($([$($of:tt)*] $other:ty),* $(,)?) => {$(
        equals!(KeyRef<'_>, [$($of)*] $other);
        equals!(OwnedKey, [$($of)*] $other);
    )*};
    ($key:ty, [$($of:tt)*] $other:ty) => {
        impl<$($of)*> PartialEq<$other> for $key {
            #[inline]
            fn eq(&self, other: &$other) -> bool {
                self.as_bytes() == AsRef::<[u8]>::as_ref(other)
            }
        }
    };
}

equals!([] [u8], [] &[u8], [] str, [] &str);
equals!([const N: usize] [u8; N], [const N: usize] &[u8; N]);

impl fmt::Display for KeyRef<'_> {
    /// The text; where it is none, U+FFFD stands for bytes that are not UTF-8.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Display for OwnedKey {
    /// As [`KeyRef`]'s.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.resolved(), f)
    }
}
