//! A JSON parser whose tree lives in a block: many small values that come one by one and go all at
//! once. No epochs, no pool; one block, and the allocator it is.
//!
//! ```sh
//! cargo run --release -p epoch-arena-block --features allocator-api2 --example parser -- some.json
//! ```
//!
//! Without a file it takes a sample of its own. It builds the same tree on the heap, by the same
//! code, checks that both say the same, and compares the times.

use std::error::Error;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use allocator_api2::alloc::{Allocator, Global, Layout};
use epoch_arena_block::Block;

use json::{DEPTH, Reason, Refused, Text, Value, parse, print};

#[path = "parser/json.rs"]
mod json;

/// Values of the tree, and bytes of its texts.
fn count<A: Allocator>(value: &Value<A>) -> (usize, usize) {
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => (1, 0),
        Value::Text(text) => (1, text.len()),
        Value::List(list) => list.iter().map(count).fold((1, 0), add),
        Value::Object(members) => {
            let member = |(name, value): &(Text<A>, Value<A>)| add((0, name.len()), count(value));
            members.iter().map(member).fold((1, 0), add)
        }
    }
}

/// Records with some of everything.
fn sample() -> String {
    let record = |number: usize| {
        format!(
            r#"{{"id": {number}, "name": "user \u00fc{number}", "note": "tab\tquote\"\ud83d\ude00",
 "score": -{number}.25e-1, "tags": ["a", "bb", "ccc", {{}}, []], "active": true, "next": null}}"#
        )
    };
    let records: Vec<_> = (0..600).map(record).collect();
    format!("[{}]", records.join(",\n"))
}

/// Input that is no JSON is refused, with the place; and so is input that does not fit.
fn check_refusals() -> Result<(), Box<dyn Error>> {
    let block = Block::new(Layout::from_size_align(64 << 10, 16)?)?;
    let deep = "[".repeat(100_000);
    for (input, at) in [
        ("", 0),
        ("[1,]", 3),
        ("[1 2]", 3),
        (r#"{"a" 1}"#, 5),
        (r#"{a: 1}"#, 1),
        (r#""open"#, 5),
        (r#""\ud800""#, 6),
        (r#""\u00g0""#, 2),
        ("012", 3),
        ("1.", 2),
        ("nul", 0),
        ("null null", 5),
        (&deep, DEPTH),
    ] {
        let Err(refused) = parse(input, &block) else {
            return Err(format!("{input:.20} was taken").into());
        };
        if refused.at != at {
            return Err(format!("{input:.20}: {refused}, and not at {at}").into());
        }
    }
    let long = format!("[\"{}\"]", "x".repeat(100_000));
    match parse(&long, &block) {
        Err(Refused {
            reason: Reason::Full,
            ..
        }) => Ok(()),
        _ => Err("what is larger than the block was taken".into()),
    }
}

/// A block that has room for the tree of `input`; found by trying.
fn block_for(input: &str) -> Result<(Block, usize), Box<dyn Error>> {
    let mut size = (2 * input.len()).max(4096);
    for tries in 1.. {
        let block = Block::new(Layout::from_size_align(size, 4096)?)?;
        match parse(input, &block).map(ManuallyDrop::new) {
            Ok(_) => return Ok((block, tries)),
            Err(Refused {
                reason: Reason::Full,
                ..
            }) => size *= 2,
            Err(refused) => return Err(refused.into()),
        }
    }
    Err("no size is enough".into())
}

/// Which of two times, or both.
type Step = fn([Duration; 2]) -> Duration;

/// Parses, and gives the tree up: how long each takes.
fn on_the_heap(input: &str) -> Result<[Duration; 2], Refused> {
    let start = Instant::now();
    let tree = parse(input, Global)?;
    let parsed = start.elapsed();
    drop(tree);
    Ok([parsed, start.elapsed() - parsed])
}

/// The same in a block: nothing needs a destructor, so the tree is forgotten and the block reset.
fn in_the_block(input: &str, block: &mut Block) -> Result<[Duration; 2], Refused> {
    block.reset();
    let start = Instant::now();
    let tree = ManuallyDrop::new(parse(input, &*block)?);
    let parsed = start.elapsed();
    std::hint::black_box(&*tree);
    block.reset();
    Ok([parsed, start.elapsed() - parsed])
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values[values.len() / 2]
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (name, input) = match std::env::args_os().nth(1) {
        Some(path) => (
            path.to_string_lossy().into_owned(),
            std::fs::read_to_string(&path)?,
        ),
        None => ("the sample".to_owned(), sample()),
    };
    check_refusals()?;

    let (mut block, tries) = block_for(&input)?;
    let used = block.used();
    block.reset();
    let (mut printed, mut expected, mut again) = (String::new(), String::new(), String::new());
    let tree = parse(&input, &block)?;
    print(&tree, &mut printed)?;
    print(&parse(&input, Global)?, &mut expected)?;
    print(&parse(&printed, Global)?, &mut again)?;
    if printed != expected || printed != again {
        return Err("the trees are not the same".into());
    }
    let (values, text) = count(&tree);
    drop(tree);
    println!(
        "{name}: {} bytes, {values} values, {text} bytes of text",
        input.len()
    );
    println!(
        "the tree takes {used} of a block's {} bytes, found at try {tries}; it says the same as \
         the one on the heap, and as its own print",
        block.capacity()
    );

    // In turns, so that both run under the same load of the machine.
    let rounds = (0..15).map(|_| Ok([on_the_heap(&input)?, in_the_block(&input, &mut block)?]));
    let rounds = rounds.collect::<Result<Vec<_>, Refused>>()?;
    let steps: [(&str, Step); 3] = [
        ("parse", |times| times[0]),
        ("give up", |times| times[1]),
        ("both", |times| times[0] + times[1]),
    ];
    for (what, time) in steps {
        let of = |side: usize| median(rounds.iter().map(|round| time(round[side])).collect());
        let (heap, block) = (of(0), of(1));
        let ratio = |round: &[[Duration; 2]; 2]| {
            time(round[1]).as_secs_f64() / time(round[0]).as_secs_f64().max(1e-9)
        };
        let ratio = median(rounds.iter().map(ratio).collect());
        println!("{what:>8}: heap {heap:>10.1?}   block {block:>10.1?}   x {ratio:.3}");
    }
    if cfg!(debug_assertions) {
        println!("(a debug build: the times say little; run it with --release)");
    }
    Ok(())
}
