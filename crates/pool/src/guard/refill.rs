//! What a put does when its thread's chunk has no room: a large value goes to the thread's chunk for these; else a
//! chunk is taken for the epoch.
//!
//! All takes its parts by value, and not the guard: so a guard whose address nothing needs stays in registers.

use std::ptr::NonNull;

use epoch_arena_block::raw::{Chunk, Owner};
use epoch_arena_block::{Alignment, MemoryError};
use epoch_arena_core::raw::{Home, copy};
use epoch_arena_core::{AllocError, ArenaHandle};

use crate::epochs::core::Core;
use crate::local::state::Local;
use crate::trace;

/// Copies `bytes` into another chunk than the thread's.
#[cold]
#[inline(never)]
pub(super) fn copy_elsewhere(
    core: &Core,
    local: &Local,
    stamp: u64,
    bytes: &[u8],
) -> Result<ArenaHandle, AllocError> {
    let (first, _, stamp) = refill(core, local, stamp, bytes.len(), Alignment::BYTE)?;
    // SAFETY: as in `alloc_copy`.
    unsafe { copy(bytes, first) };
    // SAFETY: 1., 2. as in `alloc_copy`; 3. `refill` refuses more.
    Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
}

/// Bytes that were claimed, their chunk, and the stamp of the epoch they are of.
pub(super) type Refilled = (NonNull<u8>, Chunk, u64);

/// Claims `len` bytes for the epoch of `stamp`, which was loaded under a guard that is still pinned: of the chunk for
/// large values, or of one that it takes. Where a chunk is taken and the epoch's slot has been given to another by now,
/// the epoch is the one that is current then.
#[cold]
#[inline(never)]
pub(super) fn refill(
    core: &Core,
    local: &Local,
    stamp: u64,
    len: usize,
    align: Alignment,
) -> Result<Refilled, AllocError> {
    if let Some(claimed) = claim_large(local, stamp, len, align) {
        return Ok(claimed);
    }
    let mut refilled = take(core, local, stamp, len, align);
    let over = match refilled {
        Err(AllocError::Memory(MemoryError::OverBudget(over))) => over.wanted <= over.budget,
        _ => false,
    };
    if over {
        // Over the budget, perhaps only because the last guard of a retired epoch is gone and its
        // callback still pending: move it on, and try once more. (The pin is nested, so it has no
        // fence. The flush may run foreign closures, as any pin may.)
        local.participant().handle().pin().flush();
        let large = claim_large(local, stamp, len, align);
        refilled = large.map_or_else(|| take(core, local, stamp, len, align), Ok);
    }
    if let Err(AllocError::Memory(refused)) = &mut refilled {
        *refused = refused.of(core.account.bytes(), core.retired_bytes());
    }
    // After all that, as a subscriber is foreign code: if it panics, what was claimed is wasted;
    // if it writes or advances, this thread is pinned still, and what was claimed is its own.
    if let Err(AllocError::Memory(MemoryError::OverBudget(over))) = refilled {
        trace::over_budget(core, stamp, len, over);
    }
    refilled
}

/// Claims a large value from the thread's chunk for these.
#[inline]
fn claim_large(local: &Local, stamp: u64, len: usize, align: Alignment) -> Option<Refilled> {
    // SAFETY: as in `alloc_copy`.
    let (first, chunk) = unsafe { local.writer.bump_large(stamp, len, align) }?;
    Some((first, chunk, stamp))
}

fn take(
    core: &Core,
    local: &Local,
    mut stamp: u64,
    len: usize,
    align: Alignment,
) -> Result<Refilled, AllocError> {
    let generation = loop {
        // SAFETY: pinned since before `stamp` was loaded, and until the caller returns.
        if let Some(generation) = unsafe { core.slots.generation(stamp) } {
            break generation;
        }
        stamp = core.slots.current();
    };
    let home = Home {
        memory: &core.memory,
        owner: Owner {
            chunks: &generation.chunks,
            account: &core.account,
        },
        confined: core.settings.scrub.quarantine,
    };
    // A chunk that another thread had begun when it ended goes first.
    let writer = &local.writer;
    while writer.chunk(stamp).is_none() {
        let Some(chunk) = core.begun.take(stamp) else {
            break;
        };
        // SAFETY: 1. left by a thread that will not touch it again, and taken by this one alone; 2. it was taken for
        // the epoch of `stamp`, which is still the generation's.
        unsafe { writer.adopt(stamp, chunk) };
        // SAFETY: as in `alloc_copy`.
        if let Some(first) = unsafe { writer.bump_aligned(stamp, len, align) } {
            return Ok((first, chunk, stamp));
        }
        writer.leave();
    }
    // SAFETY: 1., 2. as in `alloc_copy`; 3. the generation is that epoch's.
    let (first, chunk) = unsafe { writer.refill(stamp, len, align, home) }?;
    Ok((first, chunk, stamp))
}
