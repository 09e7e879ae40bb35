//! Bugs on purpose, one small test or program each. `cargo xtask verify --self-test` runs every stage on its own bugs,
//! with the flags that it checks the library with, and fails if a stage passes: a check that sees nothing proves nothing.
//!
//! | where | bug | stage that must fail on it |
//! |---|---|---|
//! | `src/bin/lint.rs` | badly laid out | lint: format |
//! | `src/bin/lint.rs` | a needless `return` | lint: clippy |
//! | `src/bin/lint.rs` | a link to nothing | lint: documentation builds |
//! | `src/lib.rs` | features that do not compile apart | lint: features |
//! | `tests/plain.rs` | a wrong sum | tests: unit and integration |
//! | `src/lib.rs` | an example that is wrong | tests: documentation |
//! | `tests/overflow.rs` | an overflow that a release build lets pass | tests: release with debug assertions |
//! | `tests/layout.rs` | fields taken to be in the order of the source | tests: randomised layout |
//! | `tests/limit.rs` | a panic when there is no memory | oom |
//! | `src/bin/counts.rs` | a put with some instructions more | counts |
//! | `tests/models.rs` | publication by a Relaxed store; a lost update | loom |
//! | `tests/memory.rs` | out of bounds, use after free, leak | asan, miri |
//! | `tests/memory.rs` | uninitialised read | msan, miri |
//! | `tests/threads.rs` | data race; publication by a Relaxed store | tsan, miri |
//! | `tests/arena.rs` | a read past the end of a key, inside its block | asan |
//! | `src/bin/crash.rs` | a crash for one input in many | fuzz |
//!
//! The example, which is wrong:
//!
//! ```
//! assert_eq!(1 + 1, 3, "the seeded example");
//! ```

#[cfg(all(feature = "needy", not(feature = "base")))]
compile_error!("the seeded feature does not compile alone");
