//! Scenarios for `cargo xtask verify --only counts`.

fn main() -> std::process::ExitCode {
    epoch_arena_bench::counts::main(|| {})
}
