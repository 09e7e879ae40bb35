//! Tests that measure the process need one of their own.

use std::process::Command;

use crate::ends::output;

const MARK: &str = "EPOCH_ARENA_TEST_ALONE";

/// Runs `body` in a process where the test `name` (its path in this binary) runs alone.
pub fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let binary = std::env::current_exe().expect("this test has a binary");
    let mut command = Command::new(binary);
    let command = command
        .args([name, "--exact", "--test-threads=1"])
        .env(MARK, "1")
        // A trace needs memory, which a test of limits has used up.
        .env("RUST_BACKTRACE", "0");
    let output = output(command);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", output.status);
    assert!(
        text.contains("1 passed"),
        "no test is called {name}: {text}"
    );
}

/// Resident bytes of this process.
#[cfg(target_os = "linux")]
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = statm.split(' ').nth(1).and_then(|word| word.parse().ok());
    pages.map(|pages: usize| pages * 4096).expect("a number")
}
