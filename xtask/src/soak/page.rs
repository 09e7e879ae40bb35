//! The page: self-contained, no script, light and dark as the reader's system is.

use std::fmt::Write;

use super::plot::{Series, lines};
use super::run::{Line, Outcome};
use super::{MIB, digits};
use crate::bench::svg::escape;

/// The look of all pages, and what is only here.
const STYLE: &str = concat!(
    include_str!("../bench/page.css"),
    "svg path { fill: none; stroke-width: 1.5; stroke-linejoin: round; }\n\
     svg path.ours { stroke: var(--ours); } svg path.peer { stroke: var(--peer); }\n\
     svg path.floor { stroke: var(--floor); } svg path.limit { stroke: var(--ink); stroke-dasharray: 6 4; }\n\
     i.limit { background: var(--ink); }\n"
);

/// The whole page; `again` is the command that makes it anew.
pub fn page(outcome: &Outcome, again: &str) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>epoch-arena: soak</title>",
    );
    let verdict = match outcome.failures.len() {
        0 => "Everything at once, at random; nothing was wrong.".to_owned(),
        count => format!("Everything at once, at random; wrong: {count}."),
    };
    // Writing into a string cannot fail.
    let _ = write!(
        html,
        "<style>\n{STYLE}</style></head><body><main><header><h1>epoch-arena <span>soak</span></h1>\
         <p class=\"lead\">{verdict}</p><p><code>{}</code></p></header>",
        escape(again)
    );
    for failure in &outcome.failures {
        let _ = write!(
            html,
            "<p class=\"caveat\"><strong>{}</strong></p>",
            escape(failure)
        );
    }
    memory(&mut html, outcome);
    rates(&mut html, outcome);
    counts(&mut html, outcome);
    html.push_str("</main></body></html>\n");
    html
}

fn memory(html: &mut String, outcome: &Outcome) {
    let of = |lines: &[Line], name: &str| {
        let point = |line: &Line| (line.get("seconds"), line.get(name) / MIB);
        lines.iter().map(point).collect::<Vec<_>>()
    };
    let series = [
        Series {
            name: "budget",
            class: "limit",
            points: of(&outcome.samples, "budget"),
        },
        Series {
            name: "reserved",
            class: "ours",
            points: of(&outcome.samples, "reserved"),
        },
        Series {
            name: "in use",
            class: "peer",
            points: of(&outcome.samples, "in_use"),
        },
        Series {
            name: "resident",
            class: "floor",
            points: of(&outcome.samples, "resident"),
        },
    ];
    let _ = write!(
        html,
        "<section><h2>memory</h2><p>All memories together, and the whole process. Every few seconds all threads stop, \
         all leases are dropped and all pools emptied: then nothing may be reserved.</p>\
         <figure><figcaption>Memory <small>MiB</small></figcaption><p class=\"legend\"><i class=\"limit\"></i>budget \
         <i class=\"ours\"></i>reserved <i class=\"peer\"></i>in use <i class=\"floor\"></i>resident, the whole process</p>{}\
         </figure></section>",
        lines("memory over time", "MiB", &series)
    );
}

fn rates(html: &mut String, outcome: &Outcome) {
    let per_second = |name: &str| {
        let pairs = outcome.samples.windows(2);
        pairs
            .filter_map(|pair| {
                let time = pair[1].get("seconds") - pair[0].get("seconds");
                let more = pair[1].get(name) - pair[0].get(name);
                (time > 0.0).then(|| (pair[1].get("seconds"), more / time / 1000.0))
            })
            .collect::<Vec<_>>()
    };
    let series = [
        Series {
            name: "puts",
            class: "ours",
            points: per_second("puts"),
        },
        Series {
            name: "reads",
            class: "peer",
            points: per_second("reads"),
        },
    ];
    let _ = write!(
        html,
        "<section><h2>work</h2><figure><figcaption>Work <small>thousands per second</small></figcaption>\
         <p class=\"legend\"><i class=\"ours\"></i>puts <i class=\"peer\"></i>reads</p>{}</figure></section>",
        lines("work over time", "thousands per second", &series)
    );
}

fn counts(html: &mut String, outcome: &Outcome) {
    html.push_str("<section><h2>counts</h2><table>");
    for (name, value) in outcome.samples.last().iter().flat_map(|last| last.counts()) {
        let _ = write!(
            html,
            "<tr><th>{}</th><td>{}</td></tr>",
            escape(name),
            digits(value)
        );
    }
    html.push_str("</table></section>");
}
