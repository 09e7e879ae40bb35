//! What the documents point to exists: files, headings, and paths that are only named. Links out
//! of the repository are not looked at, and those in doc comments are rustdoc's to check.

use std::fs;
use std::path::{Path, PathBuf};

use crate::coverage::{read, root};

/// The documents: those of the root and of `docs`.
fn documents() -> Vec<PathBuf> {
    let all = [root(), root().join("docs")].map(|dir| fs::read_dir(dir).unwrap());
    let paths = all.into_iter().flatten().map(|entry| entry.unwrap().path());
    let is_document = |path: &PathBuf| path.extension().is_some_and(|e| e == "md");
    paths.filter(is_document).collect()
}

/// The lines of a document that are prose, without what is fenced as code.
fn prose(document: &Path) -> Vec<String> {
    let mut fenced = false;
    let text = read(document);
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
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        targets.push(target.trim());
    }
    targets.retain(|target| !target.contains("://"));
    targets
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(document: &Path) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for line in prose(document) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        // Of a link in a heading only the text counts; we have none.
        let kept = title.trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        let slug = kept.collect::<String>().to_lowercase();
        let same = anchors.iter().filter(|a| **a == slug).count();
        anchors.push(match same {
            0 => slug,
            n => format!("{slug}-{n}"),
        });
    }
    anchors
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let (mut links, mut broken) = (0, Vec::new());
    for document in documents() {
        for line in prose(&document) {
            for target in targets(&line) {
                links += 1;
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let file = match path {
                    "" => document.clone(),
                    path => document.with_file_name(path),
                };
                let has_anchor = anchor.is_empty() || anchors(&file).iter().any(|a| a == anchor);
                if !file.exists() || !has_anchor {
                    broken.push(format!("{}: {target}", document.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(links > 50, "only {links} links were found: no test");
}

/// Paths in backquotes, such as `crates/pool/src/pool.rs`.
#[test]
fn every_path_that_a_document_names_exists() {
    let (mut paths, mut missing) = (0, Vec::new());
    for document in documents() {
        for line in prose(&document) {
            for name in line.split('`').skip(1).step_by(2) {
                let top = ["crates/", "docs/", "benches/", "xtask/"];
                let is_path = top.iter().any(|top| name.starts_with(top));
                // Patterns and commands are not paths.
                if is_path && !name.contains(['*', ' ', '{', '<']) {
                    paths += 1;
                    if !root().join(name).exists() {
                        missing.push(format!("{}: {name}", document.display()));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(paths > 50, "only {paths} paths were found: no test");
}

/// Whoever starts at the README finds all of them.
#[test]
fn the_readme_links_every_document() {
    let readme = root().join("README.md");
    let text = prose(&readme).join("\n");
    for document in documents()
        .iter()
        .filter(|document| !document.ends_with("README.md"))
    {
        let name = document.file_name().unwrap().to_str().unwrap();
        assert!(
            text.contains(&format!("{name})")) || text.contains(&format!("{name}#")),
            "README.md has no link to {name}"
        );
    }
}
