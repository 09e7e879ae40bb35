//! Writers in place: against a `Vec`, with puts in between, dropped at each stage, refused.

use std::{fmt, io};

use epoch_arena_core::MAX_LEN;
use epoch_arena_pool::{AllocError, ArenaGuard, ArenaPool, BytesWriter};

use crate::pools::{BLOCK, HEADER, SMALLEST, adds_up, advance, memory, pool, put};

/// Payload and allocations of the epochs that are live.
fn counts(pool: &ArenaPool) -> (usize, usize) {
    let stats = pool.stats();
    (stats.payload, stats.allocations)
}

/// The bytes of pieces of these lengths, one behind the other, no two pieces alike.
fn pieces(lens: &[usize]) -> Vec<Vec<u8>> {
    lens.iter()
        .enumerate()
        .map(|(at, len)| (0..*len).map(|byte| (at * 31 + byte * 7) as u8).collect())
        .collect()
}

#[test]
fn what_is_written_is_what_a_vec_would_have() {
    let many = if cfg!(miri) { 600 } else { 5_000 };
    let shapes: [&[usize]; 8] = [
        &[],
        &[0],
        &[0, 0, 1, 0],
        &vec![1; many],
        &[SMALLEST - HEADER, 1],
        &[33, 479, 512, 7, 9_000, 1, 40_000],
        &[BLOCK, 1, BLOCK, 1],
        &[3 * BLOCK],
    ];
    for lens in shapes {
        let pool = pool(2);
        let guard = pool.pin();
        let mut model = Vec::new();
        let mut value = guard.writer().unwrap();
        for piece in pieces(lens) {
            value.push(&piece).unwrap();
            model.extend(piece);
            assert_eq!(value.as_bytes().len(), model.len());
        }
        assert_eq!(value.as_bytes(), model);
        let handle = value.finish();
        assert_eq!(guard.get(handle), Some(&model[..]));
        assert_eq!(counts(&pool), (model.len(), 1), "{lens:?}");
        drop(guard);
        let stats = pool.stats_of(handle.epoch()).unwrap();
        assert_eq!((stats.payload, stats.allocations), (model.len(), 1));
        adds_up(&pool);
    }
}

/// In the rest of a chunk it grows without a move, and the next put is right behind it.
#[test]
fn a_value_grows_where_it_is_and_leaves_no_gap() {
    let pool = pool(2);
    let guard = pool.pin();
    let address = |handle| guard.get(handle).unwrap().as_ptr().addr();
    let start = address(guard.alloc_copy(b"").unwrap());
    let mut value = guard.writer().unwrap();
    for _ in 0..SMALLEST - HEADER {
        value.push(b"x").unwrap();
        assert_eq!(value.as_bytes().as_ptr().addr(), start);
    }
    drop(value);
    let mut value = guard.writer().unwrap();
    value.push(&[b'y'; 100]).unwrap();
    assert_eq!(address(value.finish()), start, "all was given back");
    let next = guard.alloc_copy(b"next").unwrap();
    assert_eq!(address(next), start + 100);
    assert_eq!(counts(&pool), (104, 3));
}

/// Puts, batches and writers by the same guard, between any two writes.
#[test]
fn whatever_is_put_in_between_both_stay_whole() {
    type Between = fn(&ArenaGuard<'_>) -> usize;
    let between: [Between; 7] = [
        |guard| guard.alloc_copy(b"").map(|_| 0).unwrap(),
        |guard| guard.alloc_copy(&[0xee; 40]).map(|_| 40).unwrap(),
        |guard| guard.alloc_copy(&[0xee; 5_000]).map(|_| 5_000).unwrap(),
        |guard| {
            guard
                .alloc_copy(&[0xee; 2 * BLOCK])
                .map(|_| 2 * BLOCK)
                .unwrap()
        },
        |guard| {
            let mut batch = guard.batch(50).unwrap();
            batch.push(&[0xee; 20]).map(|_| 20).unwrap()
        },
        |guard| {
            let mut nested = guard.writer().unwrap();
            nested.push(&[0xee; 30]).unwrap();
            nested.finish().len()
        },
        |guard| {
            let mut dropped = guard.writer().unwrap();
            dropped.push(&[0xee; 30]).unwrap();
            drop(dropped);
            guard.alloc_copy(b"").map(|_| 0).unwrap()
        },
    ];
    for (at, between) in between.iter().enumerate() {
        let pool = pool(2);
        let guard = pool.pin();
        let (mut model, mut others) = (Vec::new(), (0, 0));
        let mut value = guard.writer().unwrap();
        for piece in pieces(&[5, 1, 0, 70, 600, 3, 1, 1]) {
            others = (others.0 + between(&guard), others.1 + 1);
            value.push(&piece).unwrap();
            model.extend(piece);
            assert_eq!(value.as_bytes(), model);
        }
        let handle = value.finish();
        assert_eq!(guard.get(handle), Some(&model[..]), "{at}");
        assert_eq!(
            counts(&pool),
            (others.0 + model.len(), others.1 + 1),
            "{at}"
        );
        drop(guard);
        adds_up(&pool);
    }
}

/// Two writers that take turns: neither writes into the other.
/// Twice as large with each move, so that all moves together copy no more than twice the value.
#[test]
fn a_value_that_others_block_moves_seldom() {
    let pool = pool(2);
    let guard = pool.pin();
    let mut value = guard.writer().unwrap();
    let (mut at, mut moves) = (value.as_bytes().as_ptr(), 0);
    for _ in 0..4_096 {
        value.push(b"x").unwrap();
        guard.alloc_copy(b"behind it").unwrap();
        moves += usize::from(at != value.as_bytes().as_ptr());
        at = value.as_bytes().as_ptr();
    }
    assert!((2..=13).contains(&moves), "{moves} moves");
}

#[test]
fn two_writers_of_one_guard() {
    let pool = pool(2);
    let guard = pool.pin();
    let [mut one, mut two] = [guard.writer().unwrap(), guard.writer().unwrap()];
    let rounds = if cfg!(miri) { 50 } else { 3_000 };
    for round in 0..rounds {
        one.push(&[b'1'; 3][..round % 4]).unwrap();
        two.push(&[b'2'; 5][..round % 6]).unwrap();
    }
    let lens = [one.as_bytes().len(), two.as_bytes().len()];
    let handles = [one.finish(), two.finish()];
    for (digit, (handle, len)) in [b'1', b'2'].into_iter().zip(handles.into_iter().zip(lens)) {
        assert_eq!(guard.get(handle), Some(&vec![digit; len][..]));
    }
    assert_eq!(counts(&pool), (lens[0] + lens[1], 2));
}

#[test]
fn dropped_at_any_stage_it_gives_everything_back() {
    type Stage = fn(&mut BytesWriter<'_>, &ArenaGuard<'_>) -> usize;
    let stages: [Stage; 5] = [
        |_, _| 0,
        |value, _| value.push(b"something").map(|()| 0).unwrap(),
        // Moved, as the chunk is full.
        |value, _| value.push(&[1; 3_000]).map(|()| 0).unwrap(),
        // Not the last one any more.
        |value, guard| {
            value.push(b"something").unwrap();
            guard.alloc_copy(b"behind it").unwrap().len()
        },
        // Moved for that reason.
        |value, guard| {
            value.push(b"something").unwrap();
            let behind = guard.alloc_copy(b"behind it").unwrap().len();
            value.push(b" more").unwrap();
            behind
        },
    ];
    for (at, stage) in stages.iter().enumerate() {
        let pool = pool(2);
        let guard = pool.pin();
        let mut value = guard.writer().unwrap();
        let others = stage(&mut value, &guard);
        drop(value);
        let expected = (others, usize::from(others > 0));
        assert_eq!(counts(&pool), expected, "stage {at}");
        // A forgotten one is an allocation that has no handle.
        let mut value = guard.writer().unwrap();
        value.push(b"12345").unwrap();
        std::mem::forget(value);
        assert_eq!(counts(&pool), (others + 5, expected.1 + 1), "stage {at}");
        drop(guard);
        adds_up(&pool);
    }
}

#[test]
fn a_value_that_is_too_long_is_refused_and_stays() {
    let pool = pool(2);
    let guard = pool.pin();
    let mut value = guard.writer().unwrap();
    value.push(b"short").unwrap();
    let before = counts(&pool);
    let long = vec![0; MAX_LEN + 1];
    for len in [MAX_LEN + 1, MAX_LEN, MAX_LEN - 4] {
        assert_eq!(value.push(&long[..len]), Err(AllocError::TooLong), "{len}");
    }
    let refused = io::Write::write_all(&mut value, &long).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    let inner = refused.into_inner().unwrap().downcast::<AllocError>();
    assert_eq!(*inner.unwrap(), AllocError::TooLong);
    assert_eq!((counts(&pool), value.as_bytes()), (before, &b"short"[..]));
    // The longest there can be.
    value.push(&long[..MAX_LEN - 5]).unwrap();
    assert_eq!(value.push(b"x"), Err(AllocError::TooLong));
    let handle = value.finish();
    assert_eq!((handle.len(), counts(&pool)), (MAX_LEN, (MAX_LEN, 1)));
}

/// A refusal for the budget changes nothing; the writer goes on in what room there is.
#[test]
fn over_the_budget_a_write_is_refused_and_the_value_stays() {
    let memory = epoch_arena_pool::Memory::builder().source(epoch_arena_block::Heap);
    let memory = memory.block_size(BLOCK).budget(4 * BLOCK).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    let guard = pool.pin();
    let mut value = guard.writer().unwrap();
    let mut len = 0;
    let refused = loop {
        match value.push(&[7; 1_000]) {
            Ok(()) => len += 1_000,
            Err(refused) => break refused,
        }
    };
    let over = refused.over_budget().expect("the budget refused");
    assert!(
        over.wanted > len && over.wanted < len + BLOCK,
        "{over:?}: no more than is needed"
    );
    let before = pool.stats();
    for _ in 0..10 {
        assert!(value.push(&[7; 1_000]).is_err());
        let refused = io::Write::write(&mut value, &[7; 1_000]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(
            fmt::Write::write_str(&mut value, &"7".repeat(1_000)),
            Err(fmt::Error)
        );
        assert_eq!(value.as_bytes().len(), len);
    }
    assert_eq!(pool.stats().payload, before.payload);
    assert_eq!(pool.stats().allocations, before.allocations);
    // The first piece fits, perhaps; then it is taken off again, and its room is the value's until it ends.
    let text = "7".repeat(1_000);
    assert!(write_typed(&mut value, format_args!("{}{text}", 7)).is_err());
    assert_eq!(value.as_bytes().len(), len);
    let handle = value.finish();
    assert_eq!(guard.get(handle), Some(&vec![7; len][..]));
    assert_eq!(counts(&pool), (len, 1));
}

/// `write_fmt` by its own name, as both traits are in scope here.
fn write_typed(value: &mut BytesWriter<'_>, text: fmt::Arguments<'_>) -> Result<(), AllocError> {
    value.write_fmt(text)
}

#[test]
fn text_is_formatted_in_place_by_each_interface() {
    let pool = pool(2);
    let guard = pool.pin();
    let text = "grüß dich, ".repeat(100);
    let expected = format!("{text}{:>9}|{:?}", 42, [1, 2]);
    let literal = guard.alloc_fmt(format_args!("no arguments")).unwrap();
    assert_eq!(guard.get(literal), Some(&b"no arguments"[..]));
    let by_alloc = guard.alloc_fmt(format_args!("{text}{:>9}|{:?}", 42, [1, 2]));
    let mut value = guard.writer().unwrap();
    write!(value, "{text}").unwrap(); // the inherent one
    let as_fmt: &mut dyn fmt::Write = &mut value;
    write!(as_fmt, "{:>9}", 42).unwrap();
    let as_io: &mut dyn io::Write = &mut value;
    write!(as_io, "|{:?}", [1, 2]).unwrap();
    as_io.flush().unwrap();
    for handle in [
        by_alloc.unwrap(),
        value.finish(),
        guard.alloc_str(&expected).unwrap(),
    ] {
        assert_eq!(guard.get(handle), Some(expected.as_bytes()));
    }
    assert_eq!(counts(&pool), (12 + 3 * expected.len(), 4));
}

/// What is formatted may itself write to the pool, advance it, and fail.
struct Nested<'g> {
    guard: &'g ArenaGuard<'g>,
    pool: &'g ArenaPool,
}

impl fmt::Display for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one,")?;
        let inner = self
            .guard
            .alloc_fmt(format_args!("{}", 2))
            .map_err(|_| fmt::Error)?;
        self.pool.advance().map_err(|_| fmt::Error)?;
        assert_eq!(self.guard.get(inner), Some(&b"2"[..]));
        f.write_str("three")
    }
}

#[test]
fn a_value_that_moves_behind_an_advance_is_of_the_new_epoch() {
    let pool = pool(2);
    let guard = pool.pin();
    let first = pool.current_epoch();
    let nested = Nested {
        guard: &guard,
        pool: &pool,
    };
    let handle = guard.alloc_fmt(format_args!("{nested}")).unwrap();
    assert_eq!(handle.epoch(), pool.current_epoch());
    assert_eq!(guard.get(handle), Some(&b"one,three"[..]));
    let of = |epoch| {
        pool.stats_of(epoch)
            .map(|stats| (stats.payload, stats.allocations))
    };
    assert_eq!(
        (of(first), of(handle.epoch())),
        (Some((1, 1)), Some((9, 1)))
    );
    // Where it need not move it stays in its epoch, and may be stale when it is done.
    let mut value = guard.writer().unwrap();
    value.push(b"stays").unwrap();
    advance(&pool, 2);
    value.push(b" here").unwrap();
    let stale = value.finish();
    assert_eq!((stale.epoch(), guard.get(stale)), (handle.epoch(), None));
}

fn panics<T>(run: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
}

/// A formatting trait that fails panics, as in `format!`, and leaves the value as it was.
#[test]
fn a_display_that_fails_leaves_no_trace() {
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("some of it")?;
            Err(fmt::Error)
        }
    }
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("some of it")?;
            std::panic::resume_unwind(Box::new(()));
        }
    }
    let pool = pool(2);
    let guard = pool.pin();
    assert!(panics(|| guard.alloc_fmt(format_args!("{Fails}"))));
    assert!(panics(|| guard.alloc_fmt(format_args!("{Panics}"))));
    assert_eq!(counts(&pool), (0, 0));
    let mut value = guard.writer().unwrap();
    value.push(b"kept").unwrap();
    assert!(panics(|| write_typed(&mut value, format_args!("{Fails}"))));
    assert_eq!(value.as_bytes(), b"kept");
    assert_eq!(guard.get(value.finish()), Some(&b"kept"[..]));
    assert_eq!(counts(&pool), (4, 1));
}

/// Each epoch's memory comes back, whatever its writers did.
#[test]
fn what_writers_took_is_reclaimed_with_the_epoch() {
    let memory = memory();
    let pool = ArenaPool::builder().memory(memory.clone()).build().unwrap();
    for round in 0..10 {
        let guard = pool.pin();
        let mut value = guard.writer().unwrap();
        for at in 0..round {
            value.push(&[round as u8; 700]).unwrap();
            put(&pool, &[at as u8; 10]);
        }
        if round % 2 == 0 {
            value.finish();
        }
        advance(&pool, 1);
    }
    drop(pool);
    assert_eq!(memory.stats().in_use, 0);
}
