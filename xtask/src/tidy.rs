//! `cargo xtask tidy`: rules of the house that no compiler knows. Links, paths and tests in documents exist; the README
//! leads to every document; the code map has every source file; each access to an atomic says why its ordering is enough;
//! public items have an example.

use std::fs;
use std::path::{Path, PathBuf};

use crate::ci::PUBLISHED;
use crate::step::{Command, Name, Step, Verdict};

/// The step, which `cargo xtask test` has as well.
pub fn step() -> Step {
    Step::work(Name::Lint, "tidy", |runner| {
        let mut faults = links().map_err(|error| error.to_string())?;
        faults.extend(code_map().map_err(|error| error.to_string())?);
        faults.extend(orderings().map_err(|error| error.to_string())?);
        faults.extend(examples().map_err(|error| error.to_string())?);
        for fault in &faults {
            eprintln!("{fault}");
            runner.note(fault)?;
        }
        runner.must(&documented())?;
        match faults.len() {
            0 => Ok(Verdict::Passed("links, code map, orderings, examples".into())),
            count => Err(format!("{count} faults, see above")),
        }
    })
}

/// rustdoc's own lint, which is unstable.
fn documented() -> Command {
    let flags = "-Zcrate-attr=feature(rustdoc_missing_doc_code_examples) -Drustdoc::missing_doc_code_examples";
    let command = Command::cargo(&format!("doc --no-deps --all-features {PUBLISHED}"));
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTDOCFLAGS", flags).target("target/tidy")
}

/// Faults of links, and of paths that are only named. Links out of the repository are not looked at, and those in
/// doc comments are rustdoc's to check.
fn links() -> std::io::Result<Vec<String>> {
    let root = crate::workspace();
    let documents: Vec<PathBuf> = files(root, "md", 1).chain(files(&root.join("docs"), "md", 1)).collect();
    let mut faults = Vec::new();
    let readme = fs::read_to_string(root.join("README.md"))?;
    let code: String =
        files(&root.join("crates"), "rs", usize::MAX).map(fs::read_to_string).collect::<Result<_, _>>()?;
    for document in &documents {
        let name = document.file_name().unwrap_or_default().to_string_lossy();
        if name != "README.md" && !readme.contains(&format!("{name})")) && !readme.contains(&format!("{name}#")) {
            faults.push(format!("README.md: no link to {name}"));
        }
        for line in prose(&fs::read_to_string(document)?) {
            for target in targets(&line).iter().filter(|target| !leads_somewhere(document, target)) {
                faults.push(format!("{}: the link {target} leads nowhere", document.display()));
            }
            for named in line.split('`').skip(1).step_by(2) {
                let is_missing_test = is_test(named) && !code.contains(&format!("fn {named}("));
                if is_missing_test || is_path(named) && !root.join(named).exists() {
                    faults.push(format!("{}: there is no {named}", document.display()));
                }
            }
        }
    }
    Ok(faults)
}

/// The files in a folder, and in those below it.
pub fn files(folder: &Path, extension: &str, depth: usize) -> impl Iterator<Item = PathBuf> {
    let entries = walkdir::WalkDir::new(folder).max_depth(depth).into_iter().flatten();
    entries.map(walkdir::DirEntry::into_path).filter(move |path| path.extension().is_some_and(|it| it == extension))
}

/// The lines that are not fenced as code.
fn prose(text: &str) -> Vec<String> {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.map(str::to_owned).collect()
}

/// Where the links of a line lead, `[text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1);
    let mut targets: Vec<&str> = inline.filter_map(|rest| rest.split(')').next()).collect();
    targets.extend(line.split_once("]: ").filter(|(name, _)| name.starts_with('[')).map(|(_, target)| target.trim()));
    targets.retain(|target| !target.contains("://"));
    targets
}

fn leads_somewhere(document: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() { document.to_path_buf() } else { document.with_file_name(path) };
    let has_anchor = || fs::read_to_string(&file).is_ok_and(|text| anchors(&text).iter().any(|known| known == anchor));
    file.exists() && (anchor.is_empty() || has_anchor())
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for line in prose(text).iter().filter(|line| line.trim_start_matches('#').starts_with(' ') && line.starts_with('#'))
    {
        let kept = line.trim_start_matches('#').trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        let slug = kept.collect::<String>().to_lowercase();
        let same = anchors.iter().filter(|known| **known == slug).count();
        anchors.push(if same == 0 { slug } else { format!("{slug}-{same}") });
    }
    anchors
}

/// Source files that the code map of `docs/architecture.md` leaves out, and entries of it that have no file.
fn code_map() -> std::io::Result<Vec<String>> {
    let map = fs::read_to_string(crate::workspace().join("docs/architecture.md"))?;
    let mut faults = Vec::new();
    for entry in fs::read_dir(crate::workspace().join("crates"))? {
        let folder = entry?.path();
        let sources = files(&folder, "rs", usize::MAX).filter_map(|file| {
            let file = file.strip_prefix(&folder).ok()?.to_str()?.replace('\\', "/");
            (file.starts_with("src/") || file.starts_with("examples/")).then_some(file)
        });
        let sources: Vec<String> = sources.collect();
        let name = format!("crates/{}", folder.file_name().unwrap_or_default().display());
        let listed = listed(&map, &name);
        let missing = sources.iter().filter(|file| !listed.iter().any(|entry| covers(entry, file)));
        faults.extend(missing.map(|file| format!("docs/architecture.md: the code map lacks {name}/{file}")));
        let stale = listed.iter().filter(|entry| !folder.join(entry).exists());
        faults.extend(stale.map(|entry| format!("docs/architecture.md: there is no {name}/{entry}")));
    }
    Ok(faults)
}

/// The first column of a crate's table: files, and folders with a slash at the end.
fn listed<'a>(map: &'a str, name: &str) -> Vec<&'a str> {
    let section = map.split("\n### ").find(|section| section.starts_with(&format!("`{name}`"))).unwrap_or_default();
    let section = section.split("\n#").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// A folder stands for its files, and a file also for its unit tests, which are in a folder of its name.
fn covers(entry: &str, file: &str) -> bool {
    let tests = entry.strip_suffix(".rs").map(|stem| format!("{}/tests.rs", stem.trim_end_matches("/mod")));
    entry == file || entry.ends_with('/') && file.starts_with(entry) || tests.is_some_and(|tests| tests == file)
}

/// Of four words or more; other items have shorter names.
fn is_test(text: &str) -> bool {
    text.matches('_').count() >= 3 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Patterns and commands are none.
fn is_path(text: &str) -> bool {
    let tops = ["crates/", "docs/", "benches/", "xtask/", "checks/"];
    tops.iter().any(|top| text.starts_with(top)) && !text.contains(['*', ' ', '{', '<'])
}

/// Examples of the facade that the guide or `cargo xtask test` does not know, or whose tests do not run.
fn examples() -> std::io::Result<Vec<String>> {
    let read = |file: &'static str| fs::read_to_string(crate::workspace().join(file)).map(|text| (file, text));
    let guide = (read("crates/facade/src/guide/index.md")?, ["`", "`"]);
    let run = (read("xtask/src/test.rs")?, ["(\"", "\","]);
    let tested = (read("crates/facade/Cargo.toml")?, ["name = \"", "\"\ntest = true"]);
    let mut faults = Vec::new();
    for entry in fs::read_dir(crate::workspace().join("crates/facade/examples"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // A folder without a program is shared by the examples.
        let is_shared = path.is_dir() && !path.join("main.rs").is_file();
        for ((file, text), [before, after]) in [&guide, &run, &tested] {
            // It has no tests.
            let is_free = name == "quick_start" && file.ends_with("Cargo.toml");
            if !is_free && !is_shared && !text.contains(&format!("{before}{name}{after}")) {
                faults.push(format!("{file}: the example {name} is missing"));
            }
        }
    }
    Ok(faults)
}

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
/// Not part of the library: the models, their shared code, and the atomics of the counting build.
const MODELS: [&str; 5] = ["models", "end_to_end", "twin", "count", "tests"];

/// Accesses to atomics above which no comment begins with the ordering.
fn orderings() -> std::io::Result<Vec<String>> {
    let stem = |part: &std::ffi::OsStr, name: &str| Path::new(part).file_stem().is_some_and(|stem| stem == name);
    let has = |path: &Path, name: &str| path.iter().any(|part| stem(part, name));
    let is_source = |path: &PathBuf| has(path, "src") && !MODELS.iter().any(|model| has(path, model));
    let mut faults = Vec::new();
    for source in files(&crate::workspace().join("crates"), "rs", usize::MAX).filter(is_source) {
        for (line, ordering) in unexplained(&fs::read_to_string(&source)?) {
            faults.push(format!("{}:{line}: no comment above says why {ordering} is enough", source.display()));
        }
    }
    Ok(faults)
}

/// The lines, from one on, with an ordering that no comment above names: one of the same function, or for Relaxed, which may be
/// said to hold throughout, of the same block of them.
fn unexplained(source: &str) -> Vec<(usize, &'static str)> {
    let library = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut faults = Vec::new();
    let mut explained: Vec<&str> = Vec::new();
    for (at, line) in library.lines().enumerate() {
        let is_outermost = line.starts_with('}');
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("//") {
            let words: Vec<&str> = comment.split(|c: char| !c.is_alphanumeric()).collect();
            explained.extend(ORDERINGS.iter().filter(|ordering| words.contains(ordering)));
            continue;
        }
        let code = line.split("//").next().unwrap_or_default();
        let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric()).collect();
        if is_outermost || words.contains(&"fn") {
            explained.retain(|ordering| !is_outermost && *ordering == "Relaxed");
        }
        let used = ORDERINGS.iter().filter(|ordering| words.contains(ordering) && !explained.contains(ordering));
        faults.extend(used.filter(|_| !words.contains(&"use")).map(|ordering| (at + 1, *ordering)));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_anchors_and_paths_are_found_in_prose_only() {
        let text = "# A b, c\n[x](y.md#z) `crates/a.rs`\n```\n[no](no.md)\n```\n[n]: m.md\n## A b, c\n";
        assert_eq!(anchors(text), ["a-b-c", "a-b-c-1"]);
        let found: Vec<String> = prose(text).iter().flat_map(|line| targets(line)).map(str::to_owned).collect();
        assert_eq!(found, ["y.md#z", "m.md"]);
        assert!(is_path("crates/a.rs") && !is_path("crates/*/src") && !is_path("cargo test"));
        assert!(is_test("a_test_has_a_name") && !is_test("wait_sealed") && !is_test("a_family_of_tests..."));
    }

    #[test]
    fn the_code_map_names_files_and_folders_of_one_crate() {
        let map = "## Code\n\n### `crates/a` (package)\n\n| file | what |\n|---|---|\n| `src/b.rs`, `src/c/` | `no.rs` |\n\n\
                   ### `crates/d`\n\n| `src/e.rs` | it |\n";
        assert_eq!(listed(map, "crates/a"), ["src/b.rs", "src/c/"]);
        assert_eq!(listed(map, "crates/d"), ["src/e.rs"]);
        assert!(
            covers("src/c/", "src/c/f.rs")
                && covers("src/b.rs", "src/b/tests.rs")
                && covers("src/c/mod.rs", "src/c/tests.rs")
        );
        assert!(!covers("src/b.rs", "src/b/f.rs") && !covers("src/c", "src/c/f.rs"));
    }

    #[test]
    fn an_ordering_needs_a_comment_of_its_own_function() {
        let source = "fn a() {\n // Release: it is ready. Relaxed: a guess.\n x.load(Relaxed);\n x.store(1, Release);\n \
                      fn b() {}\n x.swap(Relaxed, Release);\n}\nfn b() {\n x.load(Relaxed);\n}\n";
        assert_eq!(unexplained(source), [(6, "Release"), (9, "Relaxed")]);
        assert!(unexplained("use Ordering::Relaxed;\n#[cfg(test)]\nmod tests {\n x.load(Relaxed)").is_empty());
    }
}
