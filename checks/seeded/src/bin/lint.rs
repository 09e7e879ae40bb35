//! Stage lint: clippy must complain about the `return`, rustfmt about the spaces, rustdoc about [`nothing`].

/// One.
fn one() -> u32 {
      return  1;
}

fn main() {
    println!("{}", one());
}
