//! Asking for memory before it is read.

/// How many items are asked for before the first of them is read: about as many cache misses as a core has in flight.
/// Fewer would leave it to the reads to fill that number, which a core's window of instructions does not reach:
/// measured with 8, 16, 24, 32, 48 and 64, on keys of 16 and 24 bytes in random order.
const AHEAD: usize = 32;

/// Asks the processor to load the cache line at an address; a hint, which changes nothing.
#[inline(always)]
pub fn prefetch(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint is allowed for any address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}

/// The items. Each comes after `ask` was called with it and with the 32 behind it.
#[inline]
pub fn ahead<I: Iterator + Clone>(
    items: I,
    ask: impl Fn(I::Item),
) -> impl Iterator<Item = I::Item> {
    let mut later = items.clone().fuse();
    later.by_ref().take(AHEAD).for_each(&ask);
    items.inspect(move |_| {
        if let Some(item) = later.next() {
            ask(item);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn each_item_is_asked_for_once_and_some_turns_before_it_comes() {
        for count in 0..3 * AHEAD {
            let asked = RefCell::new(Vec::new());
            let mut items = ahead(0..count, |item| asked.borrow_mut().push(item));
            for item in 0..count {
                assert_eq!(items.next(), Some(item));
                let so_far = 0..count.min(item + 1 + AHEAD);
                assert_eq!(*asked.borrow(), so_far.collect::<Vec<_>>());
            }
            assert_eq!((items.next(), asked.borrow().len()), (None, count));
        }
    }
}
