//! One benchmark process on the system's malloc.

fn main() -> std::process::ExitCode {
    epoch_arena_bench::run::main()
}
