//! How the bytes of chunks are overwritten when the chunks are given up.

/// The pattern over reclaimed bytes, which makes a late use show.
const POISON: u8 = 0xdd;

/// How the bytes of chunks that are given up are treated before their memory is used again. By default they
/// are poisoned in builds with debug assertions, and else left as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrub {
    /// Overwrite them with a pattern.
    pub poison: bool,
    /// Overwrite them with zeros; goes before the pattern.
    pub zero: bool,
    /// Never use their memory again, and have the system refuse it.
    pub quarantine: bool,
}

#[allow(
    clippy::derivable_impls,
    reason = "with debug assertions it cannot be derived"
)]
impl Default for Scrub {
    fn default() -> Self {
        Self {
            poison: cfg!(debug_assertions),
            zero: false,
            quarantine: false,
        }
    }
}

impl Scrub {
    /// The byte to overwrite with, if there is one.
    pub(crate) fn fill(self) -> Option<u8> {
        match self {
            Self { zero: true, .. } => Some(0),
            Self { poison: true, .. }
            | Self {
                quarantine: true, ..
            } => Some(POISON),
            _ => None,
        }
    }

    /// Whether a thread has to walk the chunks before they are used again.
    pub(crate) fn is_needed(self) -> bool {
        self.fill().is_some() || cfg!(any(epoch_arena_asan, epoch_arena_msan))
    }
}
