//! Blocks over memory that is lent to them.

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use epoch_arena_block::{Block, BorrowedBlock};

/// The block takes all of the slice, from its first byte on, and nothing else.
#[test]
fn a_lent_slice_is_a_block_at_whatever_address() {
    let mut memory = [MaybeUninit::new(0xee_u8); 300];
    for offset in 0..16 {
        let lent = &mut memory[offset..offset + 256];
        let first = lent.as_ptr().addr();
        let block = Block::from_slice(lent);
        assert_eq!(
            (block.capacity(), block.region().base().addr().get()),
            (256, first)
        );
        let aligned = block
            .alloc(Layout::from_size_align(16, 64).unwrap())
            .unwrap();
        assert_eq!(aligned.addr().get() % 64, 0);
        let left = block.remaining();
        block.alloc_copy(&vec![1; left]).unwrap();
        assert!(block.alloc_copy(b"x").is_err());
        drop(block);
        // SAFETY: initialised above, and a block writes only initialised bytes of a caller.
        let behind = memory[offset + 256..]
            .iter()
            .map(|byte| unsafe { byte.assume_init() });
        assert!(behind.clone().count() > 0 && behind.eq(std::iter::repeat_n(0xee, 44 - offset)));
        memory.fill(MaybeUninit::new(0xee));
    }
}

#[test]
fn a_lent_block_is_reset_and_the_memory_is_the_lenders_again() {
    let mut memory = [MaybeUninit::uninit(); 64];
    let mut block = Block::from_slice(&mut memory);
    for round in 0..10 {
        block.alloc_copy(&[round; 64]).unwrap();
        assert_eq!(block.remaining(), 0);
        block.reset();
        assert_eq!(block.used(), 0);
    }
    block.alloc_copy(b"the last").unwrap();
    drop(block);
    let last = memory[..8].iter();
    // SAFETY: written since the last reset. (The rest was before: to MSan it is uninitialised.)
    let last = last.map(|byte| unsafe { byte.assume_init() });
    assert!(last.eq(*b"the last"));
}

#[test]
fn a_lent_slice_of_nothing_is_a_block() {
    let block = Block::from_slice(&mut []);
    assert!(block.alloc_copy(b"").is_ok());
    assert!(block.alloc_copy(b"x").is_err());
    assert_eq!(block.capacity(), 0);
}

#[test]
fn threads_share_a_lent_block() {
    let mut memory = vec![MaybeUninit::uninit(); 4000];
    let block = Block::from_slice(&mut memory);
    let mut keys: Vec<&[u8]> = std::thread::scope(|s| {
        let fill = |thread: u8| {
            let fill = |_| &*block.alloc_copy(&[thread; 10]).unwrap();
            (0..100).map(fill).collect::<Vec<_>>()
        };
        let threads = [0, 1, 2, 3].map(|thread| s.spawn(move || fill(thread)));
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    });
    assert_eq!(block.remaining(), 0);
    keys.sort_unstable();
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(*key, [(at / 100) as u8; 10]);
    }
}

/// A block that is forgotten has forgotten its memory, which is the lender's again.
#[test]
fn a_lent_block_may_be_forgotten() {
    let mut memory = [MaybeUninit::uninit(); 64];
    std::mem::forget(Block::from_slice(&mut memory));
    assert_eq!(Block::from_slice(&mut memory).capacity(), 64);
}

/// The lender's memory may live as long as the program, and the block with it.
#[test]
fn a_block_over_static_memory_is_static() {
    static BLOCK: OnceLock<BorrowedBlock<'static>> = OnceLock::new();
    let memory = || Box::leak(Box::new([MaybeUninit::uninit(); 64]));
    let block: &'static Block = BLOCK.get_or_init(|| Block::from_slice(memory()));
    let key = std::thread::spawn(|| &*block.alloc_copy(b"key").unwrap());
    assert_eq!(key.join().unwrap(), b"key");
}
