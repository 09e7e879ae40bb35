//! Probes: one function per hot operation, for `cargo xtask asm` to print. Nothing runs them.

use std::hint::black_box;

use epoch_arena::{ArenaGuard, ArenaHandle, ArenaPool};

/// One put of 16 bytes under a guard.
// SAFETY: no other symbol of this executable has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn epoch_arena_probe_put(guard: &ArenaGuard<'_>, key: &[u8; 16]) -> Option<ArenaHandle> {
    guard.alloc_copy(key).ok()
}

/// One handle to its bytes, under a guard.
// SAFETY: no other symbol of this executable has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn epoch_arena_probe_resolve<'g>(
    guard: &'g ArenaGuard<'_>,
    handle: ArenaHandle,
) -> Option<&'g [u8]> {
    guard.get(handle)
}

/// One pin and its unpin.
// SAFETY: no other symbol of this executable has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn epoch_arena_probe_pin(pool: &ArenaPool) {
    black_box(&pool.pin());
}

fn main() {
    // Reachable, so that nothing of them is left out.
    let builder = ArenaPool::builder().retained_epochs(1);
    let pool = builder.build().expect("the default settings build");
    epoch_arena_probe_pin(black_box(&pool));
    let guard = pool.pin();
    let handle = epoch_arena_probe_put(black_box(&guard), black_box(b"0123456789abcdef"));
    let handle = handle.expect("there is memory");
    black_box(epoch_arena_probe_resolve(
        black_box(&guard),
        black_box(handle),
    ));
}
