//! The table at the end, and the verdict over all.

use std::io::IsTerminal;
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::{Name, Tally, Verdict};

/// The report of a step.
pub struct Row {
    /// Its stage.
    pub stage: Name,
    /// Its name, and the bug's.
    pub step: String,
    /// The outcome.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// The tests that it ran.
    pub tally: Tally,
}

/// The width of a table where there is no terminal: a hundred and twenty suits a log.
pub fn width() -> Option<u16> {
    (!std::io::stdout().is_terminal()).then_some(120)
}

/// The table.
pub fn table(rows: &[Row], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["stage", "step", "result", "seconds", ""]);
    let mut above = None;
    for row in rows {
        // A stage is named once, at its first row.
        let stage = if above == Some(row.stage) { String::new() } else { row.stage.to_string() };
        above = Some(row.stage);
        let (word, note) = row.verdict.words();
        table.add_row([stage.as_str(), &row.step, word, &format!("{:.1}", row.took.as_secs_f64()), &note]);
    }
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Prints the sums; an error if anything failed.
pub fn outcome(rows: &[Row], self_test: bool, strict: bool) -> Result<(), String> {
    let count = |word| rows.iter().filter(|row| row.verdict.words().0 == word).count();
    let (passed, failed, skipped) = (count("PASSED"), count("FAILED"), count("SKIPPED"));
    let took: Duration = rows.iter().map(|row| row.took).sum();
    let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
    println!("{passed} passed, {failed} failed, {skipped} skipped, in {minutes} min {seconds:02} s");
    match (failed, self_test) {
        (0, _) if strict && skipped > 0 => Err(format!("{skipped} steps were skipped")),
        (0, _) => Ok(()),
        (_, false) => Err(format!("{failed} steps failed")),
        (_, true) => Err(format!("{failed} bugs were not caught: what these steps say of the library proves nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Missing;
    use super::*;

    fn rows() -> Vec<Row> {
        let missing =
            Missing { why: "cargo-deny is not there".into(), command: "cargo install cargo-deny --locked".into() };
        let row = |stage, step: &str, verdict| {
            let (step, took, tally) = (step.to_owned(), Duration::from_millis(1_240), Tally::default());
            Row { stage, step, verdict, took, tally }
        };
        vec![
            row(Name::Lint, "format", Verdict::Passed(String::new())),
            row(Name::Lint, "licences", Verdict::Skipped(missing)),
            row(Name::Tsan, "stress", Verdict::Failed("see x.log".into())),
        ]
    }

    #[test]
    fn the_table_names_each_stage_once_with_reason_and_command() {
        let text = table(&rows(), Some(200));
        assert_eq!(text.matches("lint").count(), 1, "{text}");
        for part in ["PASSED", "FAILED", "see x.log", "1.2", "cargo-deny is not there: cargo install"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_failure_fails_and_a_skip_does_not() {
        let mut rows = rows();
        assert!(outcome(&rows, false, false).unwrap_err().contains("1 steps failed"));
        assert!(outcome(&rows, true, false).unwrap_err().contains("not caught"));
        rows.pop();
        assert_eq!(outcome(&rows, false, false), Ok(()));
        assert_eq!(outcome(&rows, false, true).unwrap_err(), "1 steps were skipped");
    }
}
