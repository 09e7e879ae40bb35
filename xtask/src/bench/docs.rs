//! `--update-docs`: the figures in `docs/benchmarks.md` and the picture in `README.md`, between markers. No figure there is
//! typed.

use std::fmt::Write;

use super::groups::GROUPS;
use super::picture;
use super::saved::Saved;
use super::targets;
use super::text::{escape, markdown};
use super::view::Grid;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";
const README: &str = "README.md";
const DETAILS: &str = "docs/benchmarks.md";
const PICTURE: &str = "docs/bench.svg";

/// Makes sure, before anything is measured, that the documents have their markers.
pub fn check() -> Result<(), String> {
    for file in [README, DETAILS] {
        replaced(&read(file)?, "").map_err(|reason| format!("{file}: {reason}"))?;
    }
    Ok(())
}

/// Writes the figures of a run into both documents, and the picture.
pub fn update(saved: &Saved) -> Result<(), String> {
    let drawn = picture::svg(&saved.records);
    if let Some(svg) = &drawn {
        write(PICTURE, svg)?;
    }
    for (file, section) in [(README, short(saved, drawn.is_some())), (DETAILS, long(saved))] {
        let text = replaced(&read(file)?, &section).map_err(|reason| format!("{file}: {reason}"))?;
        write(file, &text)?;
    }
    Ok(())
}

fn read(file: &str) -> Result<String, String> {
    crate::read(&crate::workspace().join(file))
}

fn write(file: &str, text: &str) -> Result<(), String> {
    eprintln!("writes {file}");
    crate::page::write(&crate::workspace().join(file), text)
}

/// The text, with a new section between the markers.
fn replaced(text: &str, section: &str) -> Result<String, String> {
    let once = |marker| text.matches(marker).count() == 1;
    match text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1))) {
        Some((before, after)) if once(BEGIN) && once(END) => Ok(format!("{before}{BEGIN}\n{section}{END}{after}")),
        _ => Err(format!("it must have `{BEGIN}` once, and `{END}` once behind it, each on a line of its own")),
    }
}

/// For the README: the picture, and where it ran.
fn short(saved: &Saved, has_picture: bool) -> String {
    let Saved { machine, date, commit, command, .. } = saved;
    let words = format!(
        "One {} run on {}, {} cores, {date}, commit `{commit}`; by `{command}`, not drawn by hand. Only ratios of one run \
         count. [docs/benchmarks.md]({DETAILS}) has the method, the caveats, and [the whole run]({DETAILS}#results) beside \
         more peers, with the targets that it missed.",
        machine.effort, machine.cpu, machine.cores,
    );
    let picture = if has_picture { format!("![{}]({PICTURE})\n\n", picture::TEXT) } else { String::new() };
    format!("\n{picture}{}\n", wrapped(&words))
}

/// For `docs/benchmarks.md`: circumstances, the table, the targets.
fn long(saved: &Saved) -> String {
    let mut text = String::from("\n| | |\n|---|---|\n");
    for (name, value) in saved.facts() {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "| {name} | {} |", escape(value));
    }
    let judged = targets::judge(&saved.records);
    let _ = write!(
        text,
        "\n{}The targets that the project set itself: {}.\n\n| | what | target | this run | |\n|---|---|---|---|---|\n",
        contest(saved),
        targets::summary(&judged)
    );
    for one in &judged {
        let _ = writeln!(text, "| {} |", one.row.each_ref().map(|cell| escape(cell)).join(" | "));
    }
    text.push('\n');
    text
}

/// The tables, and what their figures are.
fn contest(saved: &Saved) -> String {
    let mut text = String::new();
    for table in &GROUPS.overview {
        let grid = Grid::overview(table, &saved.records);
        if !grid.rows.is_empty() {
            let words = wrapped(&format!("**{}.** {}", table.title, table.words));
            // Writing into a string cannot fail.
            let _ = write!(text, "{words}\n{}\n", markdown(&grid));
        }
    }
    text
}

/// Prose in lines as long as the documents have them.
fn wrapped(text: &str) -> String {
    textwrap::fill(
        text,
        textwrap::Options::new(120).break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation),
    ) + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::record;
    use super::*;

    fn saved() -> Saved {
        Saved {
            date: "2026-01-01 00:00 UTC".into(),
            command: "cargo xtask bench".into(),
            records: vec![
                record("put/warm", "ours", "user", 2.0, "ns/key"),
                record("put/warm", "ours", "fix16", 1.0, "ns/key"),
                record("put/cold", "bumpalo", "fix16", 9.0, "ns/key"),
            ],
            ..Saved::default()
        }
    }

    #[test]
    fn the_documents_have_their_markers() {
        check().unwrap();
    }

    #[test]
    fn writing_the_same_run_again_changes_nothing_even_by_way_of_the_file() {
        let saved = saved();
        let again: Saved = serde_json::from_str(&saved.json()).unwrap();
        let sections = |saved: &Saved| [short(saved, true), long(saved)];
        for (first, second) in sections(&saved).iter().zip(sections(&again)) {
            let text = format!("before\n{BEGIN}\nyesterday\n{END}\nafter\n");
            let once = replaced(&text, first).unwrap();
            assert!(once.starts_with("before\n") && once.ends_with("after\n") && !once.contains("yesterday"));
            assert_eq!(replaced(&once, &second).unwrap(), once);
        }
        assert!(long(&saved).contains("9.00 ns (1.50x)"), "{}", long(&saved));
    }

    #[test]
    fn a_document_without_markers_is_refused() {
        for text in ["", BEGIN, END, &format!("{END}{BEGIN}"), &format!("{BEGIN}{END}{BEGIN}{END}")] {
            assert!(replaced(text, "x").is_err(), "{text}");
        }
    }
}
