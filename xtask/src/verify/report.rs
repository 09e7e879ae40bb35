//! The table at the end, and the verdict over all.

use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::step::{Name, Verdict};

/// A row.
pub struct Row {
    stage: Name,
    step: String,
    verdict: Verdict,
    took: Duration,
}

impl Row {
    /// What a step did.
    pub fn new(stage: Name, step: &str, verdict: Verdict, took: Duration) -> Self {
        let step = step.to_owned();
        Self {
            stage,
            step,
            verdict,
            took,
        }
    }
}

/// The table; `width` where there is no terminal to tell it.
pub fn table(rows: &[Row], width: Option<u16>) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["stage", "step", "result", "seconds", ""]);
    let mut above = None;
    for row in rows {
        // A stage is named once, at its first row.
        let stage = if above == Some(row.stage) {
            ""
        } else {
            row.stage.text()
        };
        above = Some(row.stage);
        let (word, note) = match &row.verdict {
            Verdict::Passed(note) => ("PASSED", note.clone()),
            Verdict::Failed(note) => ("FAILED", note.clone()),
            Verdict::Skipped(missing) => {
                ("SKIPPED", format!("{}: {}", missing.why, missing.command))
            }
        };
        let seconds = format!("{:.1}", row.took.as_secs_f64());
        table.add_row([stage, &row.step, word, &seconds, &note]);
    }
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Prints the sums; an error if anything failed.
pub fn outcome(rows: &[Row], self_test: bool, strict: bool) -> Result<(), String> {
    let count = |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let seconds: f64 = rows.iter().map(|row| row.took.as_secs_f64()).sum();
    println!(
        "{} passed, {failed} failed, {skipped} skipped, in {:.0} min {:02.0} s",
        rows.len() - failed - skipped,
        (seconds / 60.0).floor(),
        (seconds % 60.0).floor(),
    );
    match (failed, self_test) {
        (0, _) if strict && skipped > 0 => Err(format!("{skipped} steps were skipped")),
        (0, _) => Ok(()),
        (_, false) => Err(format!("{failed} steps failed")),
        (_, true) => Err(format!(
            "{failed} bugs were not caught: what these steps say of the library proves nothing"
        )),
    }
}

#[cfg(test)]
mod unit {
    use super::super::need::Missing;
    use super::*;

    fn rows() -> Vec<Row> {
        let missing = Missing {
            why: "cargo-deny is not there".into(),
            command: "cargo install cargo-deny --locked".into(),
        };
        let row =
            |stage, step, verdict| Row::new(stage, step, verdict, Duration::from_millis(1_240));
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
        for part in [
            "PASSED",
            "FAILED",
            "see x.log",
            "1.2",
            "cargo-deny is not there: cargo install",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_failure_fails_and_a_skip_does_not() {
        let mut rows = rows();
        assert!(
            outcome(&rows, false, false)
                .unwrap_err()
                .contains("1 steps failed")
        );
        assert!(
            outcome(&rows, true, false)
                .unwrap_err()
                .contains("not caught")
        );
        rows.pop();
        assert_eq!(outcome(&rows, false, false), Ok(()));
        assert_eq!(
            outcome(&rows, false, true).unwrap_err(),
            "1 steps were skipped"
        );
        rows.pop();
        assert_eq!(outcome(&rows, false, true), Ok(()));
    }
}
