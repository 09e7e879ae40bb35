//! What every crate's loom models share. Compiled for model runs only.

/// Runs the model of a broken twin, which must fail.
pub fn caught(twin: impl Fn() + Sync + Send + 'static) {
    let run = std::panic::AssertUnwindSafe(|| loom::model(twin));
    assert!(
        std::panic::catch_unwind(run).is_err(),
        "the broken twin passed: the model is blind"
    );
}
