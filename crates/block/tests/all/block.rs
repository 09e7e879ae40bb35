//! `Block`.

use std::alloc::Layout;

use epoch_arena_block::{Block, Region};

use crate::ends::Meeting;
use crate::rng::Rng;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

fn block(size: usize) -> Block {
    Block::new(layout(size, 1)).expect("the heap has that much")
}

/// Every byte goes to exactly one of many threads, and keeps the value that it wrote there.
#[test]
fn threads_bump_disjoint_bytes_until_the_block_is_full() {
    const THREADS: u8 = if cfg!(miri) { 3 } else { 8 };
    let block = block(if cfg!(miri) { 4 << 10 } else { 256 << 10 });
    let start = Meeting::new(THREADS.into());
    let lengths: Vec<usize> = std::thread::scope(|s| {
        let writers: Vec<_> = (1..=THREADS)
            .map(|t| {
                let (block, start) = (&block, &start);
                s.spawn(move || {
                    let mut rng = Rng::new(t.into());
                    let mut mine = Vec::new();
                    start.wait();
                    while let Ok(bytes) = block.alloc_copy(&vec![t; 1 + rng.below(40)]) {
                        mine.push(bytes);
                    }
                    assert!(mine.iter().all(|bytes| bytes.iter().all(|b| *b == t)));
                    mine.iter().map(|bytes| bytes.len()).sum()
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert_eq!(
        lengths.iter().sum::<usize>(),
        block.used(),
        "every byte has one owner"
    );
    assert!(
        block.remaining() < 40,
        "full for every length that was tried"
    );
}

/// It is the address that is aligned, also where the base is odd.
#[test]
fn the_address_is_aligned_whatever_the_base() {
    for skip in [0, 1, 3, 4095] {
        let big = block(64 << 10);
        // SAFETY: inside the block, whose 64 KiB are more than the offset.
        let base = unsafe { big.region().base().add(skip) };
        let len = big.capacity() - skip;
        // SAFETY: 1. the block goes along as the owner; 2. it is moved there, unused; 3. small.
        let region = unsafe { Region::from_raw_parts(base, len, Box::new(big)) };
        let odd = Block::from(region);
        for shift in 0..=13 {
            let align = 1 << shift;
            let at = odd.alloc(layout(3, align)).unwrap();
            assert_eq!(at.addr().get() % align, 0, "align {align}, base {base:?}");
            assert_eq!(at.len(), 3);
            let (first, end) = (base.addr().get(), base.addr().get() + len);
            assert!(first <= at.addr().get() && at.addr().get() + 3 <= end);
        }
    }
}

/// Alignments far above the base's and the page's find room, or say that there is none.
#[test]
fn alignments_above_the_page_fit_or_are_refused() {
    for shift in [13, 16, 20, 30, 40, 47, 62] {
        let block = block(64 << 10);
        let answer = block.alloc(layout(1, 1 << shift));
        match answer {
            Ok(at) => assert_eq!(at.addr().get() % (1 << shift), 0),
            Err(full) => {
                assert_eq!(full.remaining, 64 << 10);
                assert_eq!(block.used(), 0);
            }
        }
    }
}

/// A counter that only ever adds wraps at last, and gives out bytes twice.
#[test]
fn failed_requests_do_not_move_the_counter() {
    let block = block(4096);
    block.alloc_copy(&[1; 4000]).unwrap();
    let rounds = if cfg!(miri) { 50 } else { 10_000 };
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..rounds {
                    assert_eq!(block.alloc_copy(&[2; 97]).unwrap_err().remaining, 96);
                    let huge = layout(isize::MAX as usize, 1);
                    assert_eq!(block.alloc(huge).unwrap_err().remaining, 96);
                }
            });
        }
    });
    assert_eq!((block.used(), block.remaining()), (4000, 96));
    assert!(
        block.alloc_copy(&[3; 96]).is_ok(),
        "what is left can still be had"
    );
}

/// A request for no bytes is a request like any other.
#[test]
fn zero_bytes_cost_nothing_and_fit_even_a_full_block() {
    let block = block(64);
    assert_eq!(block.alloc_copy(b"").unwrap(), b"");
    assert_eq!(block.alloc(layout(0, 1)).unwrap().len(), 0);
    assert_eq!(block.used(), 0);
    block.alloc_copy(&[1; 64]).unwrap();
    assert_eq!(block.alloc_copy(b"").unwrap(), b"");
    assert!(block.alloc_copy(b"x").is_err());
    assert_eq!(block.alloc_uninit(layout(0, 1)).unwrap().len(), 0);
}

#[test]
fn a_block_of_nothing_is_a_block() {
    let block = block(0);
    assert!(block.alloc_copy(b"").is_ok());
    assert!(block.alloc_copy(&[0; 4096]).is_err());
}

/// A reset block gives out the same bytes again, all of them.
#[test]
fn reset_reuses_every_byte() {
    let mut block = block(1024);
    let first = block.alloc_copy(&[7; 1024]).unwrap().as_ptr();
    for round in 0..10 {
        block.reset();
        assert_eq!((block.used(), block.remaining()), (0, 1024));
        let bytes = block.alloc_copy(&[round; 1024]).unwrap();
        assert_eq!(bytes.as_ptr(), first);
        assert!(bytes.iter().all(|b| *b == round));
    }
}

#[test]
fn what_is_lent_uninitialised_can_be_written_and_is_aligned() {
    let block = block(4096);
    let room = block.alloc_uninit(layout(100, 64)).unwrap();
    assert_eq!(room.as_ptr().addr() % 64, 0);
    for (at, byte) in room.iter_mut().enumerate() {
        byte.write(at as u8);
    }
    let next = block.alloc_copy(&[0xff; 50]).unwrap();
    // SAFETY: every byte was written above.
    let written = room.iter().map(|byte| unsafe { byte.assume_init() });
    assert!(written.enumerate().all(|(at, byte)| byte == at as u8));
    assert!(next.iter().all(|b| *b == 0xff));
}
