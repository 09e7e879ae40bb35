//! Calls a function that Rust has since 1.91: a check with the oldest promised compiler must find it.

fn main() {
    println!("{}", "seeded".ceil_char_boundary(1));
}
