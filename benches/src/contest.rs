//! The traits behind which every contestant stands.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock;
use crate::os::keep_to_core;
use crate::wire::Keys;

/// The load to come, for a contestant that needs to know its size beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Workers that write at the same time.
    pub workers: usize,
    /// Keys that one worker puts before a reset.
    pub keys: usize,
    /// Bytes of those keys.
    pub bytes: usize,
    /// Whether to take one big chunk at once where the contestant can: the best case for those that double.
    pub roomy: bool,
}

impl Plan {
    /// For one worker that puts `keys`, with room for all.
    pub fn of_one(keys: &Keys) -> Self {
        Self {
            workers: 1,
            keys: keys.len(),
            bytes: keys.payload(),
            roomy: true,
        }
    }
}

/// One worker's way to put keys into a store; the store itself may be shared among a crew or each worker's own.
pub trait Contestant: Send + Sized {
    /// The result of a put, which the caller keeps. Dropping it may give the memory back (a box) or not (an arena).
    type Handle: Send;

    /// The workers, over untouched memory.
    fn crew(plan: Plan) -> Vec<Self>;

    /// Puts one key.
    fn put(&mut self, key: &[u8]) -> Self::Handle;

    /// Puts all keys into `out`, which has room for them: the loop that is measured. It is never inlined, so that it is the
    /// same code whoever calls it.
    #[inline(never)]
    fn fill(&mut self, keys: &Keys, out: &mut Vec<Self::Handle>) {
        store(keys.iter(), out, |key| self.put(key));
    }

    /// As `fill`, and notes the time of each single put.
    fn fill_timed(&mut self, keys: &Keys, out: &mut Vec<Self::Handle>, ticks: &mut Vec<u64>) {
        store(keys.iter(), out, |key| timed(ticks, || self.put(key)));
    }

    /// Brings `out` into the order in which it will be freed; not measured.
    fn disorder(&mut self, _out: &mut Vec<Self::Handle>) {}

    /// Everything in `out` is garbage: drops it, and makes this worker's own memory ready for reuse.
    fn reset(&mut self, out: &mut Vec<Self::Handle>);

    /// The same for the state that the crew shares. Called on one worker, after all of them have reset.
    fn reset_shared(&mut self) {}

    /// Whether the last reset is complete. Not measured, but a reset that is not would be no measurement at all.
    fn is_reclaimed(&self) -> bool {
        true
    }

    /// The bytes taken from the system, as the contestant itself counts them.
    fn reserved(&self) -> Option<usize> {
        None
    }
}

/// A contestant whose handles must be turned into bytes.
pub trait Resolver: Contestant {
    /// Adds up the first byte and the length of each key. Never inlined, as `fill`.
    fn resolve(&mut self, handles: &[Self::Handle]) -> u64;
}

/// The work of a resolve loop on a key: touches its memory, and lets the next load go ahead.
#[inline(always)]
pub fn look(key: &[u8]) -> u64 {
    key.len() as u64 + key.first().copied().map_or(0, u64::from)
}

/// Writes one handle per key into the room that `out` has.
#[inline(always)]
pub fn store<'k, H>(
    keys: impl ExactSizeIterator<Item = &'k [u8]>,
    out: &mut Vec<H>,
    mut put: impl FnMut(&'k [u8]) -> H,
) {
    let wanted = keys.len();
    let room = &mut out.spare_capacity_mut()[..wanted];
    for (slot, key) in room.iter_mut().zip(keys) {
        slot.write(put(key));
    }
    // SAFETY: the loop wrote `wanted` slots right after the first `len` (`zip` ends with the shorter one, and both
    // have that length); a panic in `put` never comes here.
    unsafe { out.set_len(out.len() + wanted) };
}

/// Runs `work` and notes its ticks.
#[inline(always)]
pub fn timed<R>(ticks: &mut Vec<u64>, work: impl FnOnce() -> R) -> R {
    let start = clock::ticks();
    let result = work();
    ticks.push(clock::ticks() - start);
    result
}

/// Room for `count` handles whose pages have been touched, so that no fault of theirs is counted as the put's.
pub fn room<H>(count: usize) -> Vec<H> {
    let mut out = Vec::<H>::with_capacity(count);
    let spare = out.spare_capacity_mut();
    // SAFETY: the bytes of `spare` belong to the vector, and any bytes will do where nothing is initialised.
    unsafe { std::ptr::write_bytes(spare.as_mut_ptr(), 0xA5, spare.len()) };
    out
}

/// A slice without its lifetime: 16 bytes; the handle of arenas that have none of their own.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    at: *const u8,
    len: usize,
}

// SAFETY: a `Raw` is an address and a number; reading through it is `bytes`'s business.
unsafe impl Send for Raw {}

impl Raw {
    /// Forgets the lifetime of `bytes`.
    #[inline(always)]
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            at: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// A key of `len` bytes at `at`.
    #[inline(always)]
    pub fn from_parts(at: *const u8, len: usize) -> Self {
        Self { at, len }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The memory this was made of has not been reset or given back.
    #[inline(always)]
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: made from a slice that, as the caller says, is still there.
        unsafe { std::slice::from_raw_parts(self.at, self.len) }
    }
}

/// One warm pass of each worker, then one that is measured. Nanoseconds per key, all workers taken together.
///
/// One worker is timed by its thread's CPU clock, several by the wall: from the first one's start to the last one's end.
pub fn warm_round<C: Contestant>(crew: &mut [C], outs: &mut [Vec<C::Handle>], keys: &Keys) -> f64 {
    if let ([worker], [out]) = (&mut *crew, &mut *outs) {
        worker.fill(keys, out);
        give_back(worker, out);
        worker.reset_shared();
        assert!(worker.is_reclaimed(), "{LEFT_OVER}");
        let (nanos, ()) = clock::time(|| worker.fill(keys, out));
        std::hint::black_box(&out);
        give_back(worker, out);
        worker.reset_shared();
        return nanos / keys.len() as f64;
    }
    let barrier = Barrier::new(crew.len());
    let gate = Gate::new(crew.len());
    let total = crew.len() * keys.len();
    let nanos = filling(crew, outs, |worker, out| {
        worker.fill(keys, out);
        give_back(worker, out);
        if barrier.wait().is_leader() {
            worker.reset_shared();
            assert!(worker.is_reclaimed(), "{LEFT_OVER}");
        }
        barrier.wait();
        gate.pass();
        let span = clock_span(|| worker.fill(keys, out));
        std::hint::black_box(&out);
        barrier.wait();
        give_back(worker, out);
        span
    });
    crew[0].reset_shared();
    nanos / total as f64
}

/// One pass over untouched memory. Nanoseconds per key, all workers taken together.
pub fn cold_round<C: Contestant>(crew: &mut [C], outs: &mut [Vec<C::Handle>], keys: &Keys) -> f64 {
    if let ([worker], [out]) = (&mut *crew, &mut *outs) {
        let (nanos, ()) = clock::time(|| worker.fill(keys, out));
        return nanos / keys.len() as f64;
    }
    let gate = Gate::new(crew.len());
    let total = crew.len() * keys.len();
    let nanos = filling(crew, outs, |worker, out| {
        gate.pass();
        clock_span(|| worker.fill(keys, out))
    });
    nanos / total as f64
}

/// Where workers wait for each other awake. A barrier wakes a sleeper tens of microseconds after the others have
/// started, which is half of a warm pass: it would look as if they had run one after the other.
#[derive(Debug)]
pub struct Gate {
    missing: AtomicUsize,
    /// Spins between two looks of the scheduler's: none where there are more workers than cores.
    patience: u32,
}

impl Gate {
    /// For so many workers.
    pub fn new(workers: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            missing: AtomicUsize::new(workers),
            patience: if workers > cores { 1 } else { 1 << 12 },
        }
    }

    /// Comes back when all of them are here.
    pub fn pass(&self) {
        // Relaxed, both: nothing is handed over here, it is only about time.
        self.missing.fetch_sub(1, Ordering::Relaxed);
        let mut spins = 0_u32;
        while self.missing.load(Ordering::Relaxed) > 0 {
            std::hint::spin_loop();
            spins += 1;
            if spins.is_multiple_of(self.patience) {
                // More workers than cores: let them run.
                std::thread::yield_now();
            }
        }
    }
}

/// The fault of a reset that left something behind.
pub const LEFT_OVER: &str = "the reset is not complete: what was put is not reclaimed";

fn give_back<C: Contestant>(worker: &mut C, out: &mut Vec<C::Handle>) {
    worker.disorder(out);
    worker.reset(out);
}

/// When a worker started and ended.
pub type Span = (std::time::Instant, std::time::Instant);

/// Runs `work` and notes when.
pub fn clock_span(work: impl FnOnce()) -> Span {
    let start = std::time::Instant::now();
    work();
    (start, std::time::Instant::now())
}

/// Runs `work` on a thread per worker; nanoseconds from the first start to the last end.
fn filling<C: Contestant>(
    crew: &mut [C],
    outs: &mut [Vec<C::Handle>],
    work: impl Fn(&mut C, &mut Vec<C::Handle>) -> Span + Sync,
) -> f64 {
    together(crew.iter_mut().zip(outs), |(worker, out)| {
        // On this thread's stack: side by side, the vectors' lengths would share a cache line, and every push of one
        // worker would stop the others.
        let mut own = std::mem::take(out);
        let span = work(worker, &mut own);
        *out = own;
        span
    })
}

/// Runs `work` for each of `crew` on a thread of its own; nanoseconds from the first start to the last end.
pub fn together<W: Send>(
    crew: impl IntoIterator<Item = W>,
    work: impl Fn(W) -> Span + Sync,
) -> f64 {
    let work = &work;
    let spans: Vec<Span> = std::thread::scope(|scope| {
        let spawn = |(nth, worker)| {
            scope.spawn(move || {
                keep_to_core(nth);
                work(worker)
            })
        };
        let threads: Vec<_> = crew.into_iter().enumerate().map(spawn).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|span| span.expect("a contestant panicked"))
            .collect()
    });
    let first = spans.iter().map(|span| span.0).min();
    let last = spans.iter().map(|span| span.1).max();
    first
        .zip(last)
        .map_or(0.0, |(first, last)| (last - first).as_nanos() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_appends_in_order() {
        let mut keys = Keys::default();
        (0..10_u8).for_each(|byte| keys.push(&[byte]));
        let mut out = room::<u8>(20);
        store(keys.range(0, 4), &mut out, |key| key[0]);
        store(keys.range(4, 10), &mut out, |key| key[0]);
        assert!(out.into_iter().eq(0..10));
    }
}
