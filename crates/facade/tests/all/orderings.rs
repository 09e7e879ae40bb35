//! `docs/orderings.md` and the code say the same: every access to an atomic in `crates/*/src` has a
//! row with its orderings, every row has its access, and every test that a row names exists.
//!
//! A table of accesses has these columns, the first of which is `file`:
//!
//! | file | atomic | function | operation | ordering | partner and reason | covered by |
//!
//! An empty cell of the first three repeats the one above it. A row stands for one access, or for
//! one of each operation it names. The orderings of an exchange are those of success and failure.
//!
//! And each ordering that is not Relaxed has a row that says what fails if it were:
//!
//! | weaker in | function | ordering | caught by |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use crate::coverage::{read, root, sources, tests};

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Stands for the operation where it is about one ordering of it.
const WEAKER: &str = "made weaker";

/// Not part of the library: the models, what they share, and what counts accesses in a build of its own.
const MODELS: [&str; 4] = ["models.rs", "end_to_end.rs", "twin.rs", "count.rs"];

/// One access to an atomic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Access {
    /// From the root of the repository.
    file: String,
    function: String,
    operation: String,
    orderings: Vec<String>,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, function, operation) = (&self.file, &self.function, &self.operation);
        let orderings = self.orderings.join(", ");
        write!(f, "{file}: `{function}`: `{operation}`: {orderings}")
    }
}

/// The accesses in one file.
fn accesses(file: &str, source: &str) -> Vec<Access> {
    let mut found: Vec<Access> = Vec::new();
    // What each open bracket belongs to: a call by its name, or a function's body.
    let mut calls: Vec<(String, Option<usize>)> = Vec::new();
    let mut bodies: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut last, mut announced) = (0, String::new(), None);
    for token in tokens(source) {
        match token.as_str() {
            "(" => calls.push((last.clone(), None)),
            ")" => {
                calls.pop();
            }
            "{" => {
                depth += 1;
                bodies.extend(announced.take().map(|name| (name, depth)));
            }
            "}" => {
                bodies.pop_if(|(_, at)| *at == depth);
                depth -= 1;
            }
            // A declaration without a body.
            ";" if calls.is_empty() => announced = None,
            name if last == "fn" => announced = Some(name.to_owned()),
            name if ORDERINGS.contains(&name) => {
                let mut outside = (String::new(), None);
                let (operation, index) = calls.last_mut().unwrap_or(&mut outside);
                match index {
                    Some(index) => found[*index].orderings.push(token.clone()),
                    None => {
                        *index = Some(found.len());
                        found.push(Access {
                            file: file.to_owned(),
                            function: bodies.last().map_or("", |(name, _)| name).to_owned(),
                            operation: operation.clone(),
                            orderings: vec![token.clone()],
                        });
                    }
                }
            }
            _ => {}
        }
        last = token;
    }
    found
}

/// The words and the signs of Rust code, without comments, strings and characters, up to the unit
/// tests.
fn tokens(source: &str) -> Vec<String> {
    let code = source
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or("");
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c == '_' || c.is_alphanumeric();
        let raw = rest.strip_prefix('r').map(|r| r.trim_start_matches('#'));
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(text) = raw.and_then(|r| r.strip_prefix('"')) {
            let start = rest.len() - text.len();
            let close = format!("\"{}", "#".repeat(start - 2));
            text.find(&close)
                .map_or(rest.len(), |end| start + end + close.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\''
            && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\''))
        {
            quoted(rest, '\'')
        } else if word(first) {
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
            end
        } else {
            if !first.is_whitespace() {
                found.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    found
}

/// The length of what begins with a quote and ends with the next that is not escaped.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// What a document says.
#[derive(Debug, Default)]
struct Document {
    accesses: Vec<Access>,
    /// The orderings that were made weaker, each as an access by [`WEAKER`].
    weakened: Vec<Access>,
    /// The tests that it names.
    tests: BTreeSet<String>,
    /// What is wrong with it in itself.
    faults: Vec<String>,
}

fn document(text: &str) -> Document {
    let mut document = Document::default();
    let (mut folder, mut table) = (String::new(), "");
    let mut above = [const { String::new() }; 3];
    for line in text.lines() {
        let named = spans(line).filter(|span| is_test_name(span));
        document.tests.extend(named);
        if let Some(title) = line.strip_prefix("## ") {
            folder = spans(title).next().unwrap_or_default();
        }
        let inside = line.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
        let Some(row) = inside else {
            table = "";
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        match (table, cells[0]) {
            ("", title) => table = title,
            (_, line) if line.starts_with("---") => {}
            ("file", _) => document.access(&folder, &cells, &mut above),
            ("weaker in", _) => document.weakening(&cells),
            _ => {}
        }
    }
    document
}

impl Document {
    /// A row of a table of accesses.
    fn access(&mut self, folder: &str, cells: &[&str], above: &mut [String; 3]) {
        let [file, atomic, function, operation, ordering, _, covered] = cells[..] else {
            return self.faults.push(format!("not seven columns: {cells:?}"));
        };
        for (above, cell) in above.iter_mut().zip([file, atomic, function]) {
            if let Some(name) = spans(cell).next() {
                *above = name;
            }
        }
        if covered.is_empty() {
            self.faults.push(format!("covered by nothing: {cells:?}"));
        }
        self.tests.extend(spans(covered));
        self.accesses
            .extend(spans(operation).map(|operation| Access {
                file: format!("{folder}/{}", above[0]),
                function: above[2].clone(),
                operation,
                orderings: words_of(ordering),
            }));
    }

    /// A row of the table of weaker orderings.
    fn weakening(&mut self, cells: &[&str]) {
        let [file, function, ordering, caught] = cells[..] else {
            return self.faults.push(format!("not four columns: {cells:?}"));
        };
        if spans(caught).next().is_none() {
            self.faults.push(format!("caught by nothing: {cells:?}"));
        }
        self.tests.extend(spans(caught));
        self.weakened.push(Access {
            file: spans(file).collect(),
            function: spans(function).collect(),
            operation: WEAKER.to_owned(),
            orderings: words_of(ordering),
        });
    }
}

/// The orderings in a cell.
fn words_of(cell: &str) -> Vec<String> {
    let words = cell.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| ORDERINGS.contains(word));
    words.map(str::to_owned).collect()
}

/// What can be made weaker in an access.
fn weakenings(access: &Access) -> impl Iterator<Item = Access> {
    let strong = access.orderings.iter().filter(|word| *word != "Relaxed");
    strong.map(|word| Access {
        operation: WEAKER.to_owned(),
        orderings: vec![word.clone()],
        ..access.clone()
    })
}

/// What stands between backquotes.
fn spans(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Whether a word can only be the name of a test: it begins with a row of the mission or a bug.
fn is_test_name(word: &str) -> bool {
    let first = word.split('_').next().unwrap_or_default();
    let number = first.strip_prefix("bug").or(first.strip_prefix('m'));
    let numbered = number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    numbered && word.contains('_') && word.chars().all(|c| c == '_' || c.is_alphanumeric())
}

/// What the document and the code do not agree in.
fn differences(code: &[Access], document: &Document, tests: &BTreeSet<String>) -> Vec<String> {
    let strong: Vec<_> = code.iter().flat_map(weakenings).collect();
    let unknown = document.tests.difference(tests);
    let mut found = document.faults.clone();
    found.extend(unequal(code, &document.accesses));
    found.extend(unequal(&strong, &document.weakened));
    found.extend(unknown.map(|name| format!("no test has the name `{name}`")));
    found
}

/// What is more often in one than in the other.
fn unequal(code: &[Access], document: &[Access]) -> Vec<String> {
    let mut count: BTreeMap<&Access, i32> = BTreeMap::new();
    for access in code {
        *count.entry(access).or_default() += 1;
    }
    for access in document {
        *count.entry(access).or_default() -= 1;
    }
    let unequal = count.into_iter().filter(|(_, more)| *more != 0);
    let tell = |(access, more): (&Access, i32)| match more {
        1.. => format!("{more} more in the code than in the document: {access}"),
        _ => format!("{} more in the document than in the code: {access}", -more),
    };
    unequal.map(tell).collect()
}

/// The accesses in `crates/*/src`.
fn accesses_of_the_library() -> Vec<Access> {
    let root = root();
    let mut files = Vec::new();
    for member in std::fs::read_dir(root.join("crates")).unwrap() {
        sources(&member.unwrap().path().join("src"), &mut files);
    }
    let is_test = |file: &Path| file.components().any(|part| part.as_os_str() == "tests");
    let is_model = |file: &Path| MODELS.iter().any(|model| file.ends_with(model));
    let library = |file: &&std::path::PathBuf| {
        let inside = file.strip_prefix(&root).unwrap();
        !is_model(inside) && !is_test(inside)
    };
    let name = |file: &Path| {
        let inside = file.strip_prefix(&root).unwrap();
        inside.to_str().unwrap().replace('\\', "/")
    };
    let files = files.iter().filter(library);
    files
        .flat_map(|file| accesses(&name(file), &read(file)))
        .collect()
}

fn all_tests() -> BTreeSet<String> {
    tests(&["crates", "xtask", "benches"]).into_iter().collect()
}

#[test]
fn every_ordering_is_in_the_document_with_a_test_that_exists() {
    let document = document(&read(&root().join("docs/orderings.md")));
    let code = accesses_of_the_library();
    assert!(code.len() > 30, "the code is not read as it should be");
    let found = differences(&code, &document, &all_tests());
    assert!(found.is_empty(), "docs/orderings.md:\n{}", found.join("\n"));
}

/// The proof names its tests, too.
#[test]
fn every_test_that_the_documents_name_exists() {
    let tests = all_tests();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let named = document(&read(&path)).tests;
            let unknown: Vec<_> = named.difference(&tests).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        }
    }
}

const CODE: &str = r#"
impl Slots {
    /// Not one: `x.load(Ordering::SeqCst)`.
    fn publish(&self, stamp: u64) {
        // Nor this: store(Ordering::SeqCst).
        assert!(self.lock != '{', "{ Ordering::SeqCst");
        self.stamps[self.slot(stamp)].store(stamp, Ordering::Relaxed);
        self.current.store(self.next.load(Ordering::Relaxed), Ordering::Release);
    }

    fn claim<'a>(&'a self) -> u64 {
        let next = |n| self.used.compare_exchange(n, n + 1, Ordering::AcqRel, Ordering::Relaxed);
        next(0).max(match 1.cmp(&2) { Ordering::Equal => 1, _ => 0 })
    }
}

#[cfg(test)]
mod tests {
    fn test() { ONE.load(Ordering::SeqCst); }
}
"#;

const DOCUMENT: &str = "
## `crates/pool/src`

| file | atomic | function | operation | ordering | partner and reason | covered by |
|---|---|---|---|---|---|---|
| `slots.rs` | `Slots::stamps` | `publish` | `store` | Relaxed | Why. | `a_model` |
| | `Slots::current` | | `store` | Release | Why. | model `a_model` |
| | `Slots::next` | | `load` | Relaxed | Why. | no model: a figure |
| | `Slots::used` | `claim` | `compare_exchange` | AcqRel, failure Relaxed | Why. | `a_model` |

## What catches a weaker ordering

| weaker in | function | ordering | caught by |
|---|---|---|---|
| `crates/pool/src/slots.rs` | `publish` | Release | `a_model` |
| `crates/pool/src/slots.rs` | `claim` | AcqRel | `a_model` |
";

/// What `DOCUMENT` and `CODE` differ in, after a change of each.
fn after(code: [&str; 2], text: [&str; 2]) -> Vec<String> {
    assert!(CODE.contains(code[0]) && DOCUMENT.contains(text[0]));
    let code = accesses("crates/pool/src/slots.rs", &CODE.replace(code[0], code[1]));
    let document = document(&DOCUMENT.replace(text[0], text[1]));
    differences(&code, &document, &["a_model".to_owned()].into())
}

#[test]
fn the_check_passes_when_both_agree() {
    assert_eq!(after([""; 2], [""; 2]), Vec::<String>::new());
}

#[test]
fn the_check_fails_when_the_code_changes() {
    let weaker = after(["Ordering::Release", "Ordering::Relaxed"], [""; 2]);
    assert_eq!(weaker.len(), 3, "old, new, made weaker: {weaker:?}");
    let failure = after(
        ["AcqRel, Ordering::Relaxed", "AcqRel, Ordering::Acquire"],
        [""; 2],
    );
    assert_eq!(failure.len(), 3, "{failure:?}");
    let more = after(
        ["fn claim", "fn more(&self) { X.load(Relaxed); }\n fn claim"],
        [""; 2],
    );
    assert_eq!(more.len(), 1, "{more:?}");
    let twice = after(
        [
            "stamp, Ordering::Relaxed);",
            "stamp, Ordering::Relaxed); self.current.store(1, Ordering::Relaxed);",
        ],
        [""; 2],
    );
    assert_eq!(twice.len(), 1, "a second one is counted: {twice:?}");
    let renamed = after(["fn publish", "fn announce"], [""; 2]);
    assert_eq!(renamed.len(), 8, "{renamed:?}");
}

#[test]
fn the_check_fails_when_a_row_goes() {
    let row = "| | `Slots::next` | | `load` | Relaxed | Why. | no model: a figure |\n";
    let without = after([""; 2], [row, ""]);
    assert_eq!(without.len(), 1, "{without:?}");
    let row = "| `crates/pool/src/slots.rs` | `claim` | AcqRel | `a_model` |\n";
    let never_weakened = after([""; 2], [row, ""]);
    assert_eq!(never_weakened.len(), 1, "{never_weakened:?}");
    let uncovered = after([""; 2], ["no model: a figure", ""]);
    assert_eq!(uncovered.len(), 1, "{uncovered:?}");
}

#[test]
fn the_check_fails_when_a_model_does_not_exist() {
    let unknown = after([""; 2], ["model `a_model`", "model `another`"]);
    assert_eq!(unknown, ["no test has the name `another`"]);
    let in_prose = after([""; 2], ["\n## ", "\nSee `m7_no_such_test`.\n\n## "]);
    assert_eq!(in_prose, ["no test has the name `m7_no_such_test`"]);
}
