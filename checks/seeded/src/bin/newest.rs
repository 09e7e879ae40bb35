//! Calls what Rust has since 1.91: what a check with the oldest promised compiler must find.

fn main() {
    println!("{}", "seeded".ceil_char_boundary(1));
}
