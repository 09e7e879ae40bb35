//! Two clocks and a cycle counter.

use std::time::{Duration, Instant};

/// The time this thread has spent on a CPU, kernel included: page faults count, other processes do not.
pub fn thread_time() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for the result.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(failed, 0, "Linux always has a thread clock");
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// This thread's CPU time for `work`, in nanoseconds.
pub fn time<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let start = thread_time();
    let result = work();
    ((thread_time() - start).as_nanos() as f64, result)
}

/// A counter that moves with time at a constant rate and costs a few nanoseconds to read.
#[inline(always)]
pub fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { std::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        use std::sync::OnceLock;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }
}

/// Nanoseconds per tick, measured over some 20 ms.
pub fn nanos_per_tick() -> f64 {
    let (start, first) = (Instant::now(), ticks());
    while start.elapsed() < Duration::from_millis(20) {
        std::hint::spin_loop();
    }
    start.elapsed().as_nanos() as f64 / (ticks() - first) as f64
}
