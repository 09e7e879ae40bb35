//! Has a chain of `let`s, which Rust has since 1.88 and clippy does not look for: a check with the oldest promised
//! compiler must find it.

fn main() {
    if let Some(word) = std::env::args().next()
        && let Some(last) = word.chars().last()
    {
        println!("{last}");
    }
}
