//! A test ends when it fails, also where a thread waits for another one that has panicked. Shared by the test binaries of
//! block, arena, pool, map and facade.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Write;
use std::panic::Location;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What takes longer has failed, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

/// A whole test that takes longer has failed.
const LONG_TEST: Duration = Duration::from_secs(300);

/// Tells other threads to stop when it is dropped, so that they end also where this thread panics.
pub struct Finish<'a>(pub &'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks again and again until `done`, and panics if that does not come.
#[track_caller]
pub fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "what is waited for does not come");
        std::thread::yield_now();
    }
}

/// A barrier for `count` threads that panics where some of them do not come: a thread that has panicked never does.
#[derive(Debug)]
pub struct Meeting {
    count: usize,
    /// How many threads have come, at all meetings so far.
    came: Mutex<usize>,
    all: Condvar,
}

impl Meeting {
    pub fn new(count: usize) -> Self {
        let (came, all) = (Mutex::new(0), Condvar::new());
        Self { count, came, all }
    }

    #[track_caller]
    pub fn wait(&self) {
        let mut came = self.came.lock().unwrap();
        *came += 1;
        let goal = came.next_multiple_of(self.count);
        if *came == goal {
            self.all.notify_all();
        }
        let waits = |came: &mut usize| *came < goal;
        let (came, waited) = self.all.wait_timeout_while(came, LONG, waits).unwrap();
        assert!(!waited.timed_out(), "{came} came, and {goal} should have");
    }
}

/// For a test that fails by waiting for a lock of its own: ends the process if the result is not dropped in time. Miri
/// sees such a deadlock by itself.
#[must_use]
#[track_caller]
pub fn limit() -> Sender<()> {
    let (limit, dropped) = channel();
    let place = Location::caller();
    let watch = move || {
        if dropped.recv_timeout(LONG_TEST) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln`, whose output the harness keeps until the test has ended.
            let _ = writeln!(std::io::stderr(), "the test at {place} hangs");
            std::process::abort();
        }
    };
    if !cfg!(miri) {
        std::thread::spawn(watch);
    }
    limit
}

/// Runs a process to its end. One that does not end is killed, and this panics.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it can be started");
    let start = Instant::now();
    let has_ended = loop {
        if process.try_wait().expect("it is a child").is_some() {
            break true;
        }
        if start.elapsed() > LONG_TEST {
            process.kill().expect("it is a child");
            break false;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let output = process.wait_with_output().expect("it has ended");
    assert!(has_ended, "it had to be killed: {output:?}");
    output
}
