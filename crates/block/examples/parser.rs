//! A parser.
fn main() {}
