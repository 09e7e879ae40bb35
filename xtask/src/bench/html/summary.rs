//! What a reader with one minute sees: a few figures, one picture, the targets.

use std::fmt::Write;

use epoch_arena_bench_wire::{ROSTER, Record};

use super::class;
use super::curves::short;
use crate::bench::bars::{Bar, paired};
use crate::bench::figures::{Crew, Figures};
use crate::bench::svg::escape;
use crate::bench::table::{digits, label, with_unit};
use crate::bench::targets;

/// Where the picture's axis ends, in floors: what takes longer is cut off, and the rest can be told apart.
const CUT: f64 = 6.0;

/// A figure in large type: what it is, where it is from, how it is referred to, who stands beside it.
struct Tile {
    name: &'static str,
    bench: &'static str,
    who: &'static str,
    crew: Crew,
    reference: &'static str,
    rivals: [&'static str; 2],
}

const TILES: [Tile; 6] = [
    Tile {
        name: "put, one thread",
        bench: "put/warm",
        who: "ours",
        crew: Crew::One,
        reference: "x the floor",
        rivals: ["bumpalo", "box-mimalloc"],
    },
    Tile {
        name: "put, all cores",
        bench: "put/warm",
        who: "ours",
        crew: Crew::All,
        reference: "x floors sharing nothing",
        rivals: ["naive-shared", "box-mimalloc"],
    },
    Tile {
        name: "put, fresh memory",
        bench: "put/cold",
        who: "ours",
        crew: Crew::One,
        reference: "x the floor on huge pages",
        rivals: ["bumpalo", "box-mimalloc"],
    },
    Tile {
        name: "resolve, random",
        bench: "resolve/random",
        who: "ours",
        crew: Crew::One,
        reference: "x a raw slice",
        rivals: ["rarena", "naive-shared"],
    },
    Tile {
        name: "reclaim 10 million keys",
        bench: "reclaim/10M",
        who: "ours",
        crew: Crew::One,
        reference: "x a list of free chunks",
        rivals: ["bumpalo", "box-mimalloc"],
    },
    Tile {
        name: "memory per payload byte",
        bench: "memory/rss",
        who: "ours",
        crew: Crew::One,
        reference: "",
        rivals: ["bumpalo", "box-mimalloc"],
    },
];

/// The figures in large type.
pub fn tiles(html: &mut String, records: &[Record]) {
    let figures = Figures(records);
    let tiles: Vec<String> = TILES.iter().filter_map(|one| tile(one, figures)).collect();
    if !tiles.is_empty() {
        let _ = write!(html, "<div class=\"tiles\">{}</div>", tiles.concat());
    }
}

fn tile(tile: &Tile, figures: Figures<'_>) -> Option<String> {
    let keys = set_for(tile.bench, tile.who, tile.crew, figures)?;
    let ours = figures.get(tile.bench, tile.who, keys, tile.crew)?;
    let ratio = ours.ratio_to_floor.filter(|_| ours.unit != "B/B");
    let ratio = ratio.map_or_else(String::new, |ratio| {
        format!("{}{}", digits(ratio), tile.reference)
    });
    let mut rivals = String::new();
    for who in tile.rivals {
        if let Some(rival) = figures.get(tile.bench, who, keys, tile.crew) {
            let shown = with_unit(rival.value?, &rival.unit);
            let _ = write!(rivals, "<li>{} <b>{shown}</b></li>", escape(&short(who)));
        }
    }
    Some(format!(
        "<div class=\"tile\"><h3>{}</h3><strong>{}</strong><p>{ratio}</p><ul>{rivals}</ul></div>",
        tile.name,
        with_unit(ours.value?, &ours.unit)
    ))
}

/// The usual key set if it was measured here, else the first one that was.
fn set_for<'r>(bench: &str, who: &str, crew: Crew, figures: Figures<'r>) -> Option<&'r str> {
    let usual = figures.usual_set();
    let sets = figures.sets(bench, who, crew);
    let found = sets.iter().find(|set| **set == usual).or(sets.first());
    found.copied()
}

/// The one picture: a put of everybody, on one thread and on all cores.
pub fn picture(html: &mut String, records: &[Record]) {
    let figures = Figures(records);
    let keys = figures.usual_set();
    let bar = |who: &str, crew: Crew| {
        let record = figures.get("put/warm", who, keys, crew)?;
        Some(put_bar(
            record,
            record.value?,
            figures.value("put/warm", "floor", keys, crew),
        ))
    };
    let mut rows: Vec<[Option<Bar>; 2]> = ROSTER
        .iter()
        .map(|one| [bar(one.id, Crew::One), bar(one.id, Crew::All)])
        .filter(|pair| pair.iter().any(Option::is_some))
        .collect();
    if rows.is_empty() {
        return;
    }
    let length =
        |pair: &[Option<Bar>; 2]| pair.iter().flatten().next().map_or(0.0, |bar| bar.value);
    rows.sort_by(|a, b| length(a).total_cmp(&length(b)));
    let cut = |crew: Crew| {
        let floor = figures.value("put/warm", "floor", keys, crew);
        floor.map_or(f64::INFINITY, |floor| CUT * floor)
    };
    // One axis for both, unless a busy machine has stretched the times of several threads beyond it.
    let cuts = match [cut(Crew::One), cut(Crew::All)] {
        [one, all] if all > 2.0 * one => [one, all],
        [one, _] => [one; 2],
    };
    let cores = figures
        .of("put/warm", Crew::All)
        .map(|record| record.threads)
        .max();
    let all = cores.map_or_else(|| "all cores".into(), |cores| format!("all {cores} cores"));
    let _ = write!(
        html,
        "<section id=\"picture\"><figure><figcaption>What a put costs <small>ns per key, lower is better; warm memory, \
         keys <code>{}</code></small></figcaption>{}</figure><p class=\"caveat\">All cores: the wall clock, divided by the \
         keys of all threads together. The factor is the ratio to the floor, within one round; bars are as long as it \
         says. “Per thread” means an arena for one thread: no other thread may read, and there are no epochs.</p></section>",
        escape(keys),
        paired(
            "What a put costs, one thread and all cores",
            "ns",
            ["one thread", &all],
            &rows,
            cuts
        )
    );
}

fn put_bar(record: &Record, value: f64, floor: Option<f64>) -> Bar {
    let ratio = record.ratio_to_floor;
    Bar {
        label: label(&record.contestant),
        value: ratio
            .zip(floor)
            .map_or(value, |(ratio, floor)| ratio * floor),
        text: with_unit(value, &record.unit),
        note: ratio.map_or_else(String::new, |ratio| format!("{}x", digits(ratio))),
        class: class(&record.contestant),
    }
}

/// The targets, each beside its figure.
pub fn targets(html: &mut String, records: &[Record]) {
    let targets = targets::targets(records);
    let _ = write!(
        html,
        "<section id=\"targets\"><h2>Targets</h2><p>What the project set itself, beside this run: {}.</p>\
         <div class=\"scroll\"><table class=\"targets\"><tr><th></th><th>what</th><th>target</th><th>this run</th>\
         <th></th></tr>",
        targets::summary(&targets)
    );
    let mut above = "";
    for target in &targets {
        let id = if target.id == above { "" } else { target.id };
        above = target.id;
        let _ = write!(
            html,
            "<tr><td>{id}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"verdict {}\">{}</td></tr>",
            escape(target.what),
            escape(&target.limit),
            escape(&target.figure),
            match target.verdict {
                targets::Verdict::Met | targets::Verdict::Partly => "met",
                targets::Verdict::Missed => "missed",
                targets::Verdict::NotMeasured => "open",
            },
            target.verdict.name()
        );
    }
    html.push_str("</table></div></section>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(who: &str, threads: usize, value: f64, ratio: f64) -> Record {
        let mut record = Record::skipped("put/warm", who, "user", threads, "");
        (record.skipped, record.value) = (None, Some(value));
        (record.ratio_to_floor, record.unit) = (Some(ratio), "ns/key".into());
        record
    }

    #[test]
    fn the_picture_has_both_columns_and_the_quickest_first() {
        let records = [
            record("box-system", 1, 100.0, 50.0),
            record("ours", 1, 2.2, 1.1),
            record("ours", 2, 1.1, 1.1),
            record("floor", 1, 2.0, 1.0),
            record("floor", 2, 1.0, 1.0),
        ];
        let mut html = String::new();
        picture(&mut html, &records);
        let place = |text: &str| html.find(text).unwrap();
        assert!(place("FLOOR") < place("epoch-arena") && place("epoch-arena") < place("Box"));
        assert!(html.contains("one thread") && html.contains("all 2 cores"));
        // Fifty floors are cut off, and have no figure in the other column.
        assert_eq!(html.matches("class=\"cut\"").count(), 1);
        assert_eq!(html.matches("not measured").count(), 1);
    }

    #[test]
    fn without_figures_there_are_neither_tiles_nor_a_picture() {
        let mut html = String::new();
        tiles(&mut html, &[]);
        picture(&mut html, &[]);
        assert!(html.is_empty());
    }

    #[test]
    fn a_tile_says_who_stands_beside() {
        let mut html = String::new();
        tiles(
            &mut html,
            &[record("ours", 1, 2.2, 1.1), record("bumpalo", 1, 2.5, 1.25)],
        );
        assert!(
            html.contains("<strong>2.20 ns</strong><p>1.10x the floor</p>"),
            "{html}"
        );
        assert!(html.contains("bumpalo <b>2.50 ns</b>"), "{html}");
    }
}
