//! Every public item has an example; what returns a `Result` says when it fails, and what is unsafe
//! what it asks for. Read off the sources as rustfmt lays them out.

use std::path::Path;

use crate::coverage::{read, root, sources};

/// The names that a crate exports and does not hide.
fn exported(lib: &str) -> Vec<String> {
    let mut names = Vec::new();
    for statement in lib.split(";\n") {
        // What is indented is inside a hidden module.
        let statement = format!("\n{statement}");
        let Some((before, path)) = statement.split_once("\npub use ") else {
            continue;
        };
        if !before.contains("#[doc(hidden)]") {
            let words = path.split(|c: char| c != '_' && !c.is_alphanumeric());
            names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    names
}

/// A public item with what stands above it.
struct Item {
    name: String,
    /// From its first line to the end of the signature.
    signature: String,
    docs: String,
}

impl Item {
    fn is_fn(&self) -> bool {
        self.signature.contains("fn ")
    }

    fn is_hidden(&self) -> bool {
        self.docs.contains("#[doc(hidden)]")
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name of the type that an `impl` or `trait` line is about; none for an `impl` of a trait.
fn subject(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = match line.strip_prefix("pub trait ") {
        Some(rest) => rest,
        None => {
            let rest = line.strip_prefix("impl")?;
            if line.contains(" for ") {
                return None;
            }
            // Past the parameters, `<'a, T>`.
            match rest.strip_prefix('<') {
                Some(rest) => rest.split_once("> ")?.1,
                None => rest.trim_start(),
            }
        }
    };
    word(rest)
}

/// What a line is inside of: the `impl` of a public type, or a public trait.
#[derive(Clone, Copy)]
struct Block<'s> {
    indent: usize,
    subject: &'s str,
    /// A trait's functions are public without saying so.
    is_trait: bool,
}

/// The public items of a file: those of `names`, and the functions of theirs.
fn items(file: &str, names: &[String]) -> Vec<Item> {
    let lines: Vec<&str> = file.lines().collect();
    let is_public = |name: &&str| names.iter().any(|public| public == name);
    let mut items = Vec::new();
    let mut inside: Option<Block<'_>> = None;
    for (at, line) in lines.iter().enumerate() {
        let (depth, code) = (indent(line), line.trim_start());
        if code == "mod tests {" {
            break;
        }
        if code == "}" && inside.is_some_and(|block| block.indent == depth) {
            inside = None;
        }
        if let Some(name) = defined(line).filter(is_public) {
            items.push(item(&lines, at, name.to_owned()));
        }
        match inside {
            Some(block) if depth == block.indent + 4 && !code.starts_with("//") => {
                let is_public = block.is_trait || code.starts_with("pub ");
                let name = code.split_once("fn ").and_then(|(_, name)| word(name));
                if let Some(name) = name.filter(|_| is_public) {
                    items.push(item(&lines, at, format!("{}::{name}", block.subject)));
                }
            }
            Some(_) => {}
            None => {
                let block = subject(code).filter(is_public).map(|subject| Block {
                    indent: depth,
                    subject,
                    is_trait: code.starts_with("pub trait "),
                });
                inside = block.filter(|_| !line.ends_with("{}"));
            }
        }
    }
    items
}

/// The name at the start of `text`.
fn word(text: &str) -> Option<&str> {
    text.split(|c: char| c != '_' && !c.is_alphanumeric())
        .next()
}

/// The type, trait or free function that a line defines for others.
fn defined(line: &str) -> Option<&str> {
    let types = ["pub struct ", "pub enum ", "pub trait "];
    let code = line.trim_start();
    let name = types
        .iter()
        .find_map(|keyword| code.strip_prefix(keyword))
        .or_else(|| line.strip_prefix("pub fn "));
    name.and_then(word)
}

fn item(lines: &[&str], at: usize, name: String) -> Item {
    let above = lines[..at].iter().rev().map(|line| line.trim());
    let docs = above.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let mut docs: Vec<&str> = docs.collect();
    docs.reverse();
    let end = lines[at..]
        .iter()
        .position(|line| line.ends_with(['{', ';']));
    Item {
        name,
        signature: lines[at..=at + end.unwrap_or(0)].join(" "),
        docs: docs.join("\n"),
    }
}

/// What is wrong with the documentation of one crate.
fn faults(krate: &Path) -> Vec<String> {
    let names = exported(&read(&krate.join("src/lib.rs")));
    let mut faults = Vec::new();
    let mut functions = 0;
    let mut files = Vec::new();
    sources(&krate.join("src"), &mut files);
    for file in files {
        for item in items(&read(&file), &names) {
            if item.is_hidden() {
                continue;
            }
            functions += usize::from(item.is_fn());
            let mut lacks = |what: &str| faults.push(format!("{} lacks {what}", item.name));
            if !item.docs.contains("```") {
                lacks("an example");
            }
            let fails = item.is_fn() && item.signature.contains("-> Result<");
            if fails && !item.docs.contains("# Errors") {
                lacks("`# Errors`");
            }
            if item.signature.contains("unsafe fn ") && !item.docs.contains("# Safety") {
                lacks("`# Safety`");
            }
        }
    }
    assert!(functions >= 5, "{} has so few functions?", krate.display());
    faults
}

#[test]
fn every_public_item_has_an_example_and_says_how_it_fails() {
    let crates = ["block", "arena", "pool", "key", "map"];
    let faults: Vec<String> = crates
        .iter()
        .flat_map(|name| faults(&root().join("crates").join(name)))
        .collect();
    assert!(
        faults.is_empty(),
        "{}:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// The crates' pages open with an example that runs.
#[test]
fn every_crate_opens_with_an_example_within_twenty_lines() {
    for name in ["block", "arena", "pool", "key", "map", "facade"] {
        let lib = read(&root().join("crates").join(name).join("src/lib.rs"));
        let opening: Vec<&str> = lib.lines().take(20).collect();
        let starts = opening.iter().position(|line| *line == "//! ```");
        assert!(starts.is_some(), "{name} opens without an example");
    }
}
