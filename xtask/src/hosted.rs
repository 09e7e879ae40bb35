//! The hosted CI has no steps of its own: each one is a verb of xtask.

use std::fs;

use clap::Parser;

use crate::Xtask;

/// The lines of all workflows, trimmed, without comments.
fn lines() -> Vec<String> {
    let folder = crate::workspace().join(".github/workflows");
    let files = fs::read_dir(folder).unwrap();
    let text: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default());
    lines.map(|line| line.trim_start().trim_start_matches("- ").to_owned()).collect()
}

/// The values of `matrix.stage`.
fn stages(lines: &[String]) -> Vec<&str> {
    let list = lines.iter().find_map(|line| line.strip_prefix("stage: [")).unwrap();
    list.trim_end_matches(']').split(", ").collect()
}

#[test]
fn each_step_installs_rust_or_is_a_verb_that_exists() {
    let lines = lines();
    let mut verbs = 0;
    for step in lines.iter().filter_map(|line| line.strip_prefix("run: ")) {
        if step.starts_with("rustup toolchain install ") {
            continue;
        }
        let verb = step.strip_prefix("cargo ").unwrap();
        for stage in stages(&lines) {
            let verb = verb.replace("${{ matrix.stage }}", stage);
            let parsed = Xtask::try_parse_from(verb.split_whitespace());
            assert!(parsed.is_ok(), "{step}: {}", parsed.err().unwrap());
            verbs += 1;
        }
    }
    assert!(verbs > 8, "so few steps?");
}

#[test]
fn actions_are_pinned_by_their_commit() {
    let lines = lines();
    let mut actions = lines.iter().filter_map(|line| line.strip_prefix("uses: "));
    assert!(actions.clone().count() >= 3);
    let pinned = |action: &str| {
        let commit = action.split_once('@').map_or("", |(_, commit)| commit);
        commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(actions.all(pinned));
}
