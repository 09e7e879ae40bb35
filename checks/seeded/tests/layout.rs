//! Stage tests, randomised layout.

use std::mem::offset_of;

/// Without `repr(C)` the order is the compiler's. Today it is that of the source, and this test passes.
struct Eight {
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
    h: u64,
}

#[test]
fn fields_in_the_order_of_the_source() {
    let eight = Eight { a: 0, b: 1, c: 2, d: 3, e: 4, f: 5, g: 6, h: 7 };
    let Eight { a, b, c, d, e, f, g, h } = &eight;
    for (at, field) in [a, b, c, d, e, f, g, h].into_iter().enumerate() {
        let offset = std::ptr::from_ref(field).addr() - std::ptr::from_ref(&eight).addr();
        assert_eq!(offset, 8 * at, "the seeded layout: field {field}");
    }
    assert_eq!(offset_of!(Eight, a), 0);
}
