//! The page of a run. The most important part comes first: the gain for a reader, then everything at a glance, then the groups.

use maud::{Markup, html};

use super::charts::{charts, headline, names};
use super::groups::{GROUPS, Info};
use super::saved::Saved;
use super::targets;
use super::view::{Grid, label, reasons, role, unit_name};
use crate::page::plot::Chart;

/// The whole page.
pub fn page(saved: &Saved) -> String {
    let measured = |info: &&Info| saved.records.iter().any(|record| info.has(record) && record.value.is_some());
    let groups: Vec<&Info> = GROUPS.group.iter().filter(measured).collect();
    let body = html! {
        (headlines(saved))
        @for info in &groups { (section(info, saved)) }
        (glance(saved))
        (method())
        (skipped(saved))
        (targets(saved))
        (machine(saved))
    };
    crate::page::page("benchmark", &head(saved, &groups), &body)
}

fn head(saved: &Saved, groups: &[&Info]) -> Markup {
    html! {
        p.lead { "A concurrent arena for byte strings that expire together, beside the physical floor and what people use today." }
        p.run {
            (saved.machine.line()) " · " (saved.date) " · commit " (saved.commit)
            @if saved.interrupted { " · " strong { "interrupted: not everything was measured" } }
        }
        nav {
            @for info in groups { a href={ "#" (info.name) } { (info.title) } }
            a href="#glance" { "at a glance" } a href="#method" { "method" } a href="#machine" { "machine" }
        }
        details.pick {
            summary { "Pick contestants" }
            @for id in names(&saved.records) {
                label { input type="checkbox" checked data-name=(label(id)); i class=(role(id)) {} (label(id)) }
            }
        }
    }
}

fn headlines(saved: &Saved) -> Markup {
    html! {
        @for picture in &GROUPS.headline {
            @let panels = headline(picture, &saved.records);
            @if !panels.is_empty() {
                section.headline { h2 { (picture.title) } p { (picture.what) } (grid(panels.iter())) }
            }
        }
    }
}

fn grid<'c>(charts: impl Iterator<Item = &'c Chart>) -> Markup {
    html! { div.grid { @for chart in charts { (chart.figure()) } } }
}

fn section(info: &Info, saved: &Saved) -> Markup {
    let charts = charts(info, &saved.records);
    html! {
        section id=(info.name) {
            h2 { (info.title) }
            p.what { (info.what) }
            (grid(charts.iter().filter(|chart| !chart.aside)))
            p.caveat { (info.caveat) }
            @if charts.iter().any(|chart| chart.aside) {
                details { summary { "More of it" } (grid(charts.iter().filter(|chart| chart.aside))) }
            }
            details {
                summary { "All figures of this group" }
                @for grid in Grid::of(info, &saved.records) {
                    h3 { (grid.title) ", " (unit_name(grid.unit)) }
                    (table(&grid, true))
                }
            }
        }
    }
}

fn table(grid: &Grid<'_>, has_places: bool) -> Markup {
    let cell = |row, at| {
        grid.words(row, at).map_or_else(Markup::default, |it| html! { (it.short()) " " small { (it.spread) } })
    };
    html! {
        div.scroll { table.figures {
            tr {
                @if has_places { th title="one more than there are contestants ahead beyond the spread" { "#" } }
                th { "contestant" }
                @for column in &grid.columns { th { (column) } }
            }
            @for row in &grid.rows {
                tr class=(role(row.who)) {
                    @if has_places { td { (grid.place(row, grid.lead).unwrap_or_default()) } }
                    td { (label(row.who)) }
                    @for at in 0..grid.columns.len() { td { (cell(row, at)) } }
                }
            }
        } }
    }
}

fn glance(saved: &Saved) -> Markup {
    html! {
        section id="glance" {
            h2 { "At a glance" }
            p { "Every contestant beside every other: the median, and its ratio to the reference." }
            @for overview in &GROUPS.overview {
                @let grid = Grid::overview(overview, &saved.records);
                @if !grid.rows.is_empty() { h3 { (grid.title) } (table(&grid, false)) }
            }
        }
    }
}

fn method() -> Markup {
    html! {
        section id="method" {
            h2 { "Method" }
            p.text {
                "Contestants take turns in rounds, the floor among them; a value is the median over the rounds, a ratio the median of \
                 those taken within each round. Times differ from machine to machine and from run to run: " strong { "only ratios of \
                 one run count" } ". Bars are as long as the ratio, where there is one; the thin line at the \
                 end of one spans the quartiles, between which half of all rounds lie. Two contestants whose quartiles overlap are \
                 level (~), for the run does not tell which is ahead: in # with another one, at a figure with this library's. So are \
                 those with fewer than three rounds. All details stand in " code { "docs/benchmarks.md" } "."
            }
        }
    }
}

fn skipped(saved: &Saved) -> Markup {
    let reasons = reasons(saved.records.iter());
    html! {
        @if !reasons.is_empty() {
            section id="skipped" { h2 { "Skipped" } ul { @for reason in &reasons { li { (reason) } } } }
        }
    }
}

fn targets(saved: &Saved) -> Markup {
    let judged = targets::judge(&saved.records);
    html! {
        @if !judged.is_empty() {
            section id="targets" {
                h2 { "Targets" }
                p { "What the project set itself, beside this run: " (targets::summary(&judged)) "." }
                div.scroll { table.targets {
                    tr { th {} th { "what" } th { "target" } th { "this run" } th {} }
                    @for one in &judged {
                        tr class=(one.verdict) { @for cell in &one.row { td { (cell) } } }
                    }
                } }
            }
        }
    }
}

fn machine(saved: &Saved) -> Markup {
    html! {
        section id="machine" {
            h2 { "Machine" }
            dl { @for (name, value) in saved.facts() { dt { (name) } dd { (value) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::record;
    use super::*;
    use epoch_arena_bench_wire::Record;

    #[test]
    fn the_page_has_a_section_for_what_was_measured_and_targets_last() {
        let saved = Saved {
            records: vec![
                record("put/warm", "ours", "user", 2.0, "ns/key"),
                record("scale/keys/1000", "ours", "fix16", 2.0, "ns/key"),
                Record::skipped("put/warm", "bumpalo", "user", 1, "a<b"),
            ],
            ..Saved::default()
        };
        let html = page(&saved);
        assert!(html.contains("id=\"put\"") && html.contains("id=\"scale\"") && !html.contains("id=\"tail\""));
        assert!(html.contains("a&lt;b") && html.find("id=\"targets\"") > html.find("id=\"skipped\""));
    }
}
