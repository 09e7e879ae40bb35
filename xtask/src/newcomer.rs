//! `cargo xtask newcomer`: programs of the README and the guide as a newcomer meets them: new crates outside the
//! workspace, with the dependencies that stand above each program and nothing else.

use std::fs;
use std::path::Path;

use crate::step::{Command, Name, Step, Verdict};

/// A program of a document: its lines for `[dependencies]`, and itself.
type Program = (String, String);

/// Where the documents say that the repository is.
const CLONE: &str = "\"../epoch-arena/";

/// A document, the names of its programs in their order, and the lines that the longest may have.
struct Document {
    path: &'static str,
    names: &'static [&'static str],
    lines: usize,
}

const DOCUMENTS: [Document; 2] = [
    Document { path: "README.md", names: &["everything", "maps", "block"], lines: 20 },
    Document { path: "crates/facade/src/guide/flush_an_epoch.md", names: &["memtable"], lines: 39 },
];

/// Makes the crates in `target/newcomer`, builds and runs them. Without the network: what they need is what the workspace
/// has, at the versions of its lock file.
pub fn steps() -> Vec<Step> {
    let step = |document: &'static Document, at: usize| {
        Step::work(Name::Tests, document.names[at], move |runner| {
            let folder = make(document, at)?;
            let command = Command::cargo("run --quiet --offline --manifest-path").arg(folder.join("Cargo.toml"));
            runner.must(&command.target("target/newcomer/target")).map(|_| Verdict::Passed(document.path.into()))
        })
    };
    DOCUMENTS.iter().flat_map(|document| (0..document.names.len()).map(move |at| step(document, at))).collect()
}

fn make(Document { path, names, lines }: &Document, at: usize) -> Result<std::path::PathBuf, String> {
    let (root, name) = (crate::workspace(), names[at]);
    let programs = programs(&crate::read(&root.join(path))?);
    if programs.len() != names.len() {
        return Err(format!("{path} has {} programs, and not {}", programs.len(), names.len()));
    }
    let typed = programs[at].1.lines().count();
    if typed > *lines {
        return Err(format!("{name} has {typed} lines, more than {lines}"));
    }
    let folder = root.join("target/newcomer").join(name);
    write(&folder, name, &programs[at], root).map_err(|error| format!("{name}: {error}"))?;
    Ok(folder)
}

/// Each `toml` with the `rust` that follows it.
fn programs(document: &str) -> Vec<Program> {
    let mut dependencies = None;
    let mut programs = Vec::new();
    // The odd parts between fences are code, each with its language on the first line.
    for part in document.split("```").skip(1).step_by(2) {
        match part.split_once('\n') {
            Some(("toml", text)) => dependencies = Some(text.to_owned()),
            Some(("rust", text)) => programs.extend(dependencies.take().map(|asked| (asked, text.to_owned()))),
            _ => {}
        }
    }
    programs
}

fn write(folder: &Path, name: &str, program: &Program, root: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("src"))?;
    // As `cargo new` writes it; and a workspace of its own, as this one is around it. A path in TOML has slashes on
    // Windows, too.
    let clone = format!("\"{}/", root.display()).replace('\\', "/");
    let dependencies = program.0.replace(CLONE, &clone);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(folder.join("src/main.rs"), &program.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_what_follows_dependencies() {
        let readme = "```rust\nno\n```\n\n```toml\na = 1\n```\ntext `x`\n```rust\nyes\n```\n```rust\nno\n```\n";
        assert_eq!(programs(readme), [("a = 1\n".into(), "yes\n".into())]);
    }
}
