//! Stage tests, unit and integration.

#[test]
fn a_wrong_sum() {
    assert_eq!(1 + 1, 3, "the seeded test");
}
