//! The keys that an example works on: the lines of a file, or made-up ones.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::Index;
use std::sync::Arc;

use super::scatter;

/// The parsed command line.
#[derive(Debug)]
pub struct Arguments {
    /// A file, or how many lines to make up.
    lines: Wanted,
    pub threads: usize,
    /// The side that this process is to run, if it is one of `compare`'s: on the text that comes from there.
    pub side: Option<usize>,
    pub help: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Of(String),
    MadeUp(usize),
}

/// The command line is wrong; shown with the usage.
#[derive(Debug)]
pub struct BadArguments(String);

impl fmt::Display for BadArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BadArguments {}

/// The side of a process that `compare` starts. Not for users.
pub const SIDE: &str = "--side=";

/// More threads than that are a slip of the finger.
const MOST_THREADS: usize = 256;

impl Arguments {
    /// `[FILE | LINES] [THREADS]`.
    pub fn parse(
        arguments: impl Iterator<Item = OsString>,
        default_lines: usize,
    ) -> Result<Self, BadArguments> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let mut this = Self {
            lines: Wanted::MadeUp(default_lines),
            threads: cores.clamp(2, 8),
            side: None,
            help: false,
        };
        let mut place = 0;
        for argument in arguments {
            let argument = argument
                .into_string()
                .map_err(|os| unknown(&os.to_string_lossy()))?;
            if let Some(side) = argument.strip_prefix(SIDE) {
                this.side = Some(side.parse().map_err(|_| unknown(&argument))?);
                continue;
            }
            if argument == "--help" || argument == "-h" {
                this.help = true;
                continue;
            }
            match place {
                0 if argument.starts_with('-') => return Err(unknown(&argument)),
                0 => this.lines = lines(argument)?,
                1 => this.threads = threads(&argument)?,
                _ => return Err(unknown(&argument)),
            }
            place += 1;
        }
        Ok(this)
    }

    /// Reads or makes up the text, and says which.
    pub fn text(&self) -> Result<(String, Vec<u8>), String> {
        match &self.lines {
            _ if self.side.is_some() => {
                let mut text = Vec::new();
                let read = std::io::stdin().read_to_end(&mut text);
                read.map_err(|error| format!("cannot read the text: {error}"))?;
                Ok((String::new(), text))
            }
            Wanted::MadeUp(lines) => Ok((format!("{lines} made-up lines"), made_up(*lines))),
            Wanted::Of(file) => match std::fs::read(file) {
                Ok(text) if text.is_empty() => Err(format!("{file} has no lines")),
                Ok(text) => Ok((file.clone(), text)),
                Err(error) => Err(format!("cannot read {file}: {error}")),
            },
        }
    }
}

fn unknown(argument: &str) -> BadArguments {
    BadArguments(format!("what is {argument:?}?"))
}

fn lines(argument: String) -> Result<Wanted, BadArguments> {
    match argument.parse() {
        Ok(0) => Err(BadArguments("no lines, no work".to_owned())),
        Ok(lines) => Ok(Wanted::MadeUp(lines)),
        Err(_) => Ok(Wanted::Of(argument)),
    }
}

fn threads(argument: &str) -> Result<usize, BadArguments> {
    match argument.parse() {
        Ok(threads) if (1..=MOST_THREADS).contains(&threads) => Ok(threads),
        _ => Err(BadArguments(format!(
            "THREADS is a number from 1 to {MOST_THREADS}, not {argument:?}"
        ))),
    }
}

/// The input of an example.
pub struct Input {
    pub lines: Arc<Lines>,
    pub threads: usize,
}

impl Input {
    pub fn new(text: Vec<u8>, threads: usize) -> Self {
        let lines = Arc::new(Lines::new(text));
        Self { lines, threads }
    }
}

/// A text, line by line. Shared by `Arc`: tasks of a runtime outlive every borrow.
pub struct Lines {
    text: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Lines {
    fn new(mut text: Vec<u8>) -> Self {
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        let ends = || (0..text.len()).filter(|place| text[*place] == b'\n');
        // Counted first: a vector that grows would be the peak of the memory, not the program.
        let mut starts = Vec::with_capacity(ends().count() + 1);
        starts.push(0);
        starts.extend(ends().map(|end| end + 1));
        Self { text, starts }
    }

    /// All of it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn get(&self, number: usize) -> Option<&[u8]> {
        (number < self.len()).then(|| &self[number])
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| &self[number])
    }

    /// Of the longest line.
    pub fn longest(&self) -> usize {
        self.iter().map(<[u8]>::len).max().unwrap_or(0)
    }

    /// Of all lines.
    pub fn bytes(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }
}

impl Index<usize> for Lines {
    type Output = [u8];

    fn index(&self, number: usize) -> &[u8] {
        // Without the end of the line, which begins the next.
        &self.text[self.starts[number]..self.starts[number + 1] - 1]
    }
}

/// Paths, in no order; of eight lines one was there before.
pub fn made_up(lines: usize) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..lines {
        let number = if number % 8 == 7 { number / 2 } else { number };
        let name = scatter(number);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "/srv/data/{:03x}/{name:016x}.log", name >> 52);
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, BadArguments> {
        let owned = arguments.iter().map(OsString::from);
        Arguments::parse(owned, 7)
    }

    #[test]
    fn arguments_are_a_file_or_a_number_and_threads() {
        assert_eq!(parse(&[]).unwrap().lines, Wanted::MadeUp(7));
        assert_eq!(parse(&["12"]).unwrap().lines, Wanted::MadeUp(12));
        let both = parse(&["keys.txt", "3"]).unwrap();
        assert_eq!(both.lines, Wanted::Of("keys.txt".to_owned()));
        assert_eq!((both.threads, both.side, both.help), (3, None, false));
        assert!(parse(&["--help"]).unwrap().help);
        for bad in [
            &["0"][..],
            &["9", "0"],
            &["9", "many"],
            &["9", "1", "x"],
            &["--what"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lines_are_split_as_an_editor_shows_them() {
        let of = |text: &str| {
            let lines = Lines::new(text.as_bytes().to_vec());
            let lines: Vec<_> = lines.iter().map(<[u8]>::to_vec).collect();
            String::from_utf8(lines.join(&b'|')).unwrap()
        };
        assert_eq!([of("a\nbc\n"), of("a\nbc")], ["a|bc", "a|bc"]);
        assert_eq!(of("\na\n\nb\n\n"), "|a||b|");
        assert_eq!(Lines::new(made_up(100)).len(), 100);
    }
}
