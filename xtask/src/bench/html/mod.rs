//! The page: self-contained, no script, light and dark as the reader's system is. What matters most comes first.

mod curves;
mod groups;
mod summary;

use std::fmt::Write;

use epoch_arena_bench_wire::{ROSTER, Record, Role, contestant};

use super::notes;
use super::saved::Saved;
use super::svg::escape;
use super::table::{self, label};

const STYLE: &str = include_str!("../page.css");

/// The whole page.
pub fn page(saved: &Saved) -> String {
    let mut html =
        String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.push_str(
        "<meta name=\"color-scheme\" content=\"light dark\"><title>epoch-arena: benchmark</title>",
    );
    let _ = write!(html, "<style>\n{STYLE}</style></head><body><main>");
    head(&mut html, saved);
    summary::tiles(&mut html, &saved.records);
    summary::picture(&mut html, &saved.records);
    summary::targets(&mut html, &saved.records);
    for section in sections(&saved.records) {
        groups::section(&mut html, section, &saved.records);
    }
    method(&mut html);
    skipped(&mut html, &saved.records);
    circumstances(&mut html, saved);
    html.push_str("</main></body></html>\n");
    html
}

/// The groups; the sweeps of one group are one section.
fn sections(records: &[Record]) -> Vec<&str> {
    let mut sections: Vec<&str> = Vec::new();
    for group in table::groups(records) {
        let name = group.split('/').next().unwrap_or(group);
        if !sections.contains(&name) {
            sections.push(name);
        }
    }
    // Puts are the picture at the top: their details can wait.
    if let Some(at) = sections.iter().position(|section| *section == "put") {
        let last = sections.iter().position(|section| *section == "resolve");
        let put = sections.remove(at);
        sections.insert(last.unwrap_or(sections.len() + 1) - 1, put);
    }
    sections
}

fn head(html: &mut String, saved: &Saved) {
    let Saved {
        date,
        commit,
        machine,
        ..
    } = saved;
    let _ = write!(
        html,
        "<header><h1>epoch-arena <span>benchmark</span></h1><p class=\"lead\">Memory for keys that live and die by the \
         epoch, beside the physical floor and what people use today.</p><p class=\"run\">{}, {} cores · {} · commit {} · \
         {} run</p><nav><a href=\"#targets\">targets</a>",
        escape(&machine.cpu),
        machine.cores,
        escape(date),
        escape(commit),
        escape(&machine.effort)
    );
    for section in sections(&saved.records) {
        let name = escape(section);
        let _ = write!(
            html,
            "<a href=\"#{name}\">{}</a>",
            escape(notes::title(section))
        );
    }
    html.push_str(
        "<a href=\"#method\">method</a><a href=\"#machine\">machine</a></nav>\
         <p class=\"legend\"><i class=\"ours\"></i>epoch-arena <i class=\"floor\"></i>floor: the least work that does it \
         <i class=\"peer\"></i>others</p></header>",
    );
}

fn method(html: &mut String) {
    html.push_str(
        "<section id=\"method\"><h2>Method</h2><p class=\"text\">Contestants take turns in rounds, the floor among \
         them. A value is the median over the rounds; a ratio is taken within each round and the median of those is \
         shown, so that a slow moment of the machine hits both sides alike. Times differ from machine to machine and \
         from run to run: <strong>only ratios of one run count</strong>. Bars are as long as the ratio says, on a scale \
         that shows the floor's time; the text beside a bar is its own median, and the factor its ratio. Whatever leaves \
         traces in a heap has processes of its own. One thread is timed by its CPU clock, several by the wall.</p>\
         <p class=\"text\">What each group cannot say stands below it. The arenas that serve one thread do less: no other \
         thread reads while they write, and nobody may hold a handle across a reset. All details stand in \
         <code>docs/benchmarks.md</code>.</p></section>",
    );
}

fn circumstances(html: &mut String, saved: &Saved) {
    html.push_str("<section id=\"machine\"><h2>Machine</h2><dl>");
    let facts = saved.machine.facts();
    let more = [
        ("date", &saved.date),
        ("commit", &saved.commit),
        ("command", &saved.command),
    ];
    let facts = facts.iter().map(|(name, value)| (*name, value));
    for (name, value) in facts.chain(more) {
        let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    }
    html.push_str("</dl></section>");
}

/// What has no figure, and why.
fn skipped(html: &mut String, records: &[Record]) {
    let mut rows: Vec<(usize, String)> = Vec::new();
    for record in records {
        let Some(reason) = &record.skipped else {
            continue;
        };
        let rank = ROSTER
            .iter()
            .position(|one| one.id == record.contestant)
            .unwrap_or(ROSTER.len());
        let row = format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&label(&record.contestant)),
            escape(&record.bench),
            escape(&record.keys),
            escape(reason)
        );
        if !rows.iter().any(|(_, known)| *known == row) {
            rows.push((rank, row));
        }
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(rank, _)| *rank);
    html.push_str(
        "<section id=\"skipped\"><h2>Skipped</h2><div class=\"scroll\"><table><tr><th>contestant</th><th>bench</th>",
    );
    html.push_str("<th>keys</th><th>why</th></tr>");
    rows.iter().for_each(|(_, row)| html.push_str(row));
    html.push_str("</table></div></section>");
}

/// The class that colours a contestant.
fn class(id: &str) -> &'static str {
    match contestant(id).map(|one| one.role) {
        Some(Role::Ours) => "ours",
        Some(Role::Floor) => "floor",
        _ => "peer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bench: &str, who: &str, value: f64) -> Record {
        let mut record = Record::skipped(bench, who, "user", 1, "");
        (record.skipped, record.value, record.unit) = (None, Some(value), "ns/key".into());
        record
    }

    #[test]
    fn the_page_is_whole_and_fetches_nothing() {
        let saved = Saved {
            records: vec![
                record("put/warm", "ours", 2.0),
                record("tail/warm-p50", "ours", 2.0),
                record("tail/warm-max", "ours", 9.0),
                record("scale/keys/1000", "ours", 2.0),
                record("scale/keys/100000", "ours", 2.0),
                record("unheard/of-this", "nobody", 2.0),
                Record::skipped("put/warm", "bumpalo", "user", 1, "a<b"),
            ],
            ..Saved::default()
        };
        let html = page(&saved);
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        for foreign in ["http://", "https://", "<script", "<link", "@import", "url("] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        assert!(html.contains("prefers-color-scheme") && html.contains("a&lt;b"));
        // What nobody told the page about is shown nevertheless.
        assert!(html.contains("id=\"unheard\"") && html.contains("id=\"scale\""));
        for tag in ["section", "figure", "div", "table", "details", "svg"] {
            let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
            let opened = html.matches(&format!("{opened} ")).count()
                + html.matches(&format!("{opened}>")).count();
            assert_eq!(opened, html.matches(&closed).count(), "{tag}");
        }
    }
}
