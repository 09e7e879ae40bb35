//! `cargo xtask newcomer`: the programs of READMEs and the guide, and the examples of the documentation, as a newcomer
//! meets them: in new crates outside the workspace, with the dependencies that stand above a program and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{Command, Name, Step, Verdict};
use crate::tidy::files;

/// A program of a document: its lines for `[dependencies]`, and itself.
type Program = (String, String);

/// Where the documents say that the repository is.
const CLONE: &str = "\"../epoch-arena/";

/// A document, the name of its program, and the lines that this may have.
struct Document {
    path: &'static str,
    name: &'static str,
    lines: usize,
}

const DOCUMENTS: [Document; 4] = [
    Document { path: "README.md", name: "everything", lines: 20 },
    Document { path: "crates/facade/src/guide/bytes.md", name: "maps", lines: 20 },
    Document { path: "crates/facade/src/guide/flush_an_epoch.md", name: "memtable", lines: 39 },
    Document { path: "crates/block/README.md", name: "block", lines: 32 },
];

/// The facade, and the two crates of others that some examples show its types with.
const SHOWN: &str = r#"
epoch-arena = { path = "../epoch-arena/crates/facade", features = ["allocator-api2", "bytes", "serde", "stable_deref_trait", "tracing"] }
crossbeam-skiplist = "0.1"
hashbrown = { version = "0.17", features = ["allocator-api2"] }
"#;
/// What the lock file of such a crate may list, the crate itself apart.
const PACKAGES: usize = 12;

/// Makes the crates in `target/newcomer`, builds and runs them. Without the network: what they need is what the workspace
/// has, at the versions of its lock file.
pub fn steps() -> Vec<Step> {
    let command = |words: &str, folder: &Path| {
        let command = Command::cargo(&format!("{words} --quiet --offline --manifest-path"));
        command.arg(folder.join("Cargo.toml")).target("target/newcomer/target")
    };
    let step = move |document: &'static Document| {
        Step::work(Name::Tests, document.name, move |runner| {
            let folder = make(document)?;
            runner.must(&command("run", &folder))?;
            let packages = crate::read(&folder.join("Cargo.lock"))?.matches("[[package]]").count() - 1;
            if packages > PACKAGES {
                return Err(format!("{packages} packages in the lock file, more than {PACKAGES}"));
            }
            Ok(Verdict::Passed(format!("{}, {packages} packages", document.path)))
        })
    };
    let examples = Step::work(Name::Tests, "copied examples", move |runner| {
        let folder = crate::workspace().join("target/newcomer/examples");
        write(&folder, SHOWN, "lib.rs", &examples()?).map_err(|error| format!("examples: {error}"))?;
        // Otherwise no error code of an example that must not compile is looked at.
        runner.must(&command("test --doc", &folder).env("RUSTC_BOOTSTRAP", "1"))?;
        Ok(Verdict::Passed("all that the facade's documentation has from the other crates".into()))
    });
    DOCUMENTS.iter().map(step).chain([examples]).collect()
}

/// The documentation of all that the facade shows under its own name, as that of one empty crate. Visible lines stay;
/// hidden ones, which name the crate that a type comes from, name the facade.
fn examples() -> Result<String, String> {
    let root = crate::workspace().join("crates");
    let is_shown = |path: &Path| {
        // The other front pages are for users of these crates alone.
        let is_front = path.ends_with("src/lib.rs") && !path.ends_with("map/src/lib.rs");
        path.iter().any(|part| part == "src") && !path.starts_with(root.join("facade")) && !is_front
    };
    let mut text = String::new();
    for source in files(&root, "rs", usize::MAX).filter(|path| is_shown(path)) {
        // For the reader of a failure.
        text += &format!("//! <!-- {} -->\n", source.display());
        text.extend(crate::read(&source)?.lines().map(|line| format!("//!{}\n", copied(line))));
    }
    Ok(text)
}

/// What a line is in the documentation of a newcomer's crate.
fn copied(line: &str) -> String {
    let line = line.trim_start();
    let shown = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or_default();
    if !shown.trim_start().starts_with("# ") {
        return shown.to_owned();
    }
    // It lets the example name the facade.
    let is_alias = shown.contains(" as epoch_arena;") || shown.contains("mod epoch_arena ");
    let crates = ["block", "core", "key", "map", "pool"];
    let named = |shown: String, name: &str| shown.replace(&format!("epoch_arena_{name}::"), "epoch_arena::");
    if is_alias { String::new() } else { crates.into_iter().fold(shown.to_owned(), named) }
}

/// The folder of a program's crate.
fn make(Document { path, name, lines }: &Document) -> Result<PathBuf, String> {
    let root = crate::workspace();
    let programs = programs(&crate::read(&root.join(path))?);
    let [program] = &programs[..] else {
        return Err(format!("{path} has {} programs, and not one", programs.len()));
    };
    let typed = program.1.lines().count();
    if typed > *lines {
        return Err(format!("{name} has {typed} lines, more than {lines}"));
    }
    let folder = root.join("target/newcomer").join(name);
    write(&folder, &program.0, "main.rs", &program.1).map_err(|error| format!("{name}: {error}"))?;
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

fn write(folder: &Path, dependencies: &str, file: &str, text: &str) -> std::io::Result<()> {
    let (root, name) = (crate::workspace(), folder.file_name().unwrap_or_default().display());
    fs::create_dir_all(folder.join("src"))?;
    // As `cargo new` writes it; and a workspace of its own, as this one is around it. A path in TOML has slashes on
    // Windows, too.
    let clone = format!("\"{}/", root.display()).replace('\\', "/");
    let dependencies = dependencies.replace(CLONE, &clone);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(folder.join("src").join(file), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_what_follows_dependencies() {
        let readme = "```rust\nno\n```\n\n```toml\na = 1\n```\ntext `x`\n```rust\nyes\n```\n```rust\nno\n```\n";
        assert_eq!(programs(readme), [("a = 1\n".into(), "yes\n".into())]);
    }

    #[test]
    fn a_copied_example_keeps_what_is_seen_and_names_the_facade_in_what_is_not() {
        assert_eq!(copied("    /// use epoch_arena_pool::ArenaPool;"), " use epoch_arena_pool::ArenaPool;");
        assert_eq!(copied("/// # use epoch_arena_pool::ArenaPool;"), " # use epoch_arena::ArenaPool;");
        assert_eq!(copied("/// # use epoch_arena_pool as epoch_arena;") + &copied("fn main() {}"), "");
    }
}
