//! Uses an import on x86-64 Linux only: a check for other targets must find it.

use std::time::Duration;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    println!("{:?}", Duration::ZERO);
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {}
