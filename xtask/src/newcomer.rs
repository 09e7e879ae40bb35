//! `cargo xtask newcomer`: the README's programs as a newcomer meets them: new crates outside the workspace, with the
//! dependencies that stand above each program and nothing else.

use std::fs;
use std::path::Path;

use crate::step::{Command, Name, Step, Verdict};

/// A program of the README: its lines for `[dependencies]`, and itself.
type Program = (String, String);

/// The longest program that a newcomer is asked to type.
const LINES: usize = 20;

/// Where the README says that the repository is.
const CLONE: &str = "\"../epoch-arena/";

/// The crates, in the README's order.
const NAMES: [&str; 3] = ["everything", "maps", "block"];

/// Makes the crates in `target/newcomer`, builds and runs them. Without the network: what they need is what the workspace
/// has, at the versions of its lock file.
pub fn steps() -> Vec<Step> {
    let step = |(at, name): (usize, &'static str)| {
        Step::work(Name::Tests, name, move |runner| {
            let folder = make(at, name)?;
            let command = Command::cargo("run --quiet --offline --manifest-path").arg(folder.join("Cargo.toml"));
            runner.must(&command.target("target/newcomer/target")).map(|_| Verdict::Passed("README".into()))
        })
    };
    NAMES.into_iter().enumerate().map(step).collect()
}

fn make(at: usize, name: &str) -> Result<std::path::PathBuf, String> {
    let root = crate::workspace();
    let readme = crate::read(&root.join("README.md"))?;
    let programs = programs(&readme);
    if programs.len() != NAMES.len() {
        return Err(format!("README.md has {} programs, and not {}", programs.len(), NAMES.len()));
    }
    let lines = programs[at].1.lines().count();
    if lines > LINES {
        return Err(format!("{name} has {lines} lines, more than {LINES}"));
    }
    let folder = root.join("target/newcomer").join(name);
    write(&folder, name, &programs[at], root).map_err(|error| format!("{name}: {error}"))?;
    Ok(folder)
}

/// Each `toml` with the `rust` that follows it.
fn programs(readme: &str) -> Vec<Program> {
    let mut dependencies = None;
    let mut programs = Vec::new();
    // The odd parts between fences are code, each with its language on the first line.
    for part in readme.split("```").skip(1).step_by(2) {
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
