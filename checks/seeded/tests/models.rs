//! Stage loom.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The flag is Relaxed, so that who sees it need not see the value.
#[test]
fn relaxed_publication() {
    loom::model(|| {
        let shared = Arc::new((UnsafeCell::new(0), AtomicBool::new(false)));
        let writer = loom::thread::spawn({
            let shared = shared.clone();
            move || {
                // SAFETY: not safe, and meant to be found: the reader may read meanwhile.
                shared.0.with_mut(|value| unsafe { *value = 1 });
                shared.1.store(true, Ordering::Relaxed);
            }
        });
        if shared.1.load(Ordering::Relaxed) {
            // SAFETY: not safe either.
            shared.0.with(|value| assert_eq!(unsafe { *value }, 1));
        }
        writer.join().unwrap();
    });
}

/// Load and store apart, where one `fetch_add` is needed.
#[test]
fn lost_update() {
    loom::model(|| {
        let count = Arc::new(AtomicU32::new(0));
        let add = |count: &AtomicU32| {
            let before = count.load(Ordering::SeqCst);
            count.store(before + 1, Ordering::SeqCst);
        };
        let other = loom::thread::spawn({
            let count = count.clone();
            move || add(&count)
        });
        add(&count);
        other.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2, "the seeded lost update");
    });
}
