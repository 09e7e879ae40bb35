//! Helpers of every crate's loom models. Compiled for model runs only.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::model::Builder;

/// Runs the model of a broken twin, which must fail.
pub fn caught(twin: impl Fn() + Sync + Send + 'static) {
    caught_by(&Builder::new(), twin);
}

/// As [`caught`], with limits that the caller sets.
pub fn caught_by(limits: &Builder, twin: impl Fn() + Sync + Send + 'static) {
    let run = AssertUnwindSafe(|| limits.check(twin));
    let Err(payload) = catch_unwind(run) else {
        panic!("the broken twin passed: the model is blind");
    };
    let message = match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload
            .downcast::<&str>()
            .map_or_else(|_| String::new(), |message| (*message).to_owned()),
    };
    // A run that met one of loom's limits says nothing about the twin.
    assert!(
        !message.is_empty() && !message.contains("exceeded"),
        "the broken twin failed for another reason: {message:?}"
    );
}
