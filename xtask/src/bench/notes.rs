//! The words of the report: what each group measures, and what its figures cannot say.

/// The heading of a table.
pub fn heading(group: &str) -> String {
    format!("== {group}: {}", summary(group))
}

/// The heading of a section, and its name in the list of them.
pub fn title(group: &str) -> &str {
    match group {
        "put" => "Put",
        "tail" => "Latency of single puts",
        "scale" => "Growth",
        "churn" => "Memory over time",
        "reclaim" => "Reclaim",
        "resolve" => "Resolve",
        "memory" => "Memory",
        "sort" => "Sort and search",
        "pin" => "Pin",
        "shared" => "Shared writes",
        "ycsb" => "In an engine",
        other => other,
    }
}

/// What the group measures, in a line.
pub fn summary(group: &str) -> &'static str {
    match name(group) {
        "put" => "time of one put, median, and its ratio to the bump loop of the same round",
        "resolve" => "time from handle to bytes, median, and its ratio to a raw slice",
        "reclaim" => {
            "time to give 10 million keys back for reuse, and its ratio to a list of free chunks"
        }
        "memory" => "resident bytes per payload byte",
        "churn" => {
            "resident bytes per live byte, 100 epochs, 8 live; growth of memory over 2,000 epochs"
        }
        "tail" => {
            "percentiles of single puts, the timer's own cost included; ratio to the bump loop's"
        }
        "scale" => "put, resolve and advance while one thing grows: keys, epochs, threads, length",
        "shared" => "shared writes per put, counted, and what a model makes of them on many cores",
        "sort" => "sort and search of resolved keys, and its ratio to slices by memcmp",
        "pin" => "a pin and its unpin, and its ratio to crossbeam's",
        "ycsb" => {
            "YCSB's mixes A, B, C and F on somebody else's maps, keys and values in boxes and in arenas"
        }
        _ => "as measured",
    }
}

/// What to know before drawing conclusions.
pub fn caveat(group: &str) -> &'static str {
    match name(group) {
        "put" => {
            "One thread: its CPU clock. All cores: the wall clock, divided by all keys together; the reference is one \
             bump loop per thread that shares nothing. Warm: memory that the pass before wrote and gave back. Cold: \
             memory that the process has never touched, each figure from a process of its own; the reference runs on \
             huge pages. bumpalo, bump-scope and blink local serve one thread and know no epochs."
        }
        "resolve" => {
            "A pin makes handles safe to resolve; how many share one is the caller's choice, so there are three rows. \
             The per-thread arenas give plain slices: for them the first row is what a read costs."
        }
        "reclaim" => {
            "The CPU time of the thread that reclaims. For boxes it is the drop of each; for crossbeam, retiring each \
             and running the deferred calls; for the arenas, their reset. The reference pushes one entry per 64 KiB."
        }
        "memory" => {
            "Four million keys. Handles are not counted, they are the caller's with every contestant. Arenas of fixed \
             size are counted as far as they are resident. Where transparent huge pages are used, the last one \
             counts whole: with fewer keys it weighs more."
        }
        "churn" => {
            "mixed: 8 to 256 bytes. shift: the length grows with the epochs. pinned: one key in a thousand lives for 32 \
             epochs; boxes keep it where it is, arenas copy it onwards. Arenas without epochs are a ring of eight."
        }
        "tail" => {
            "Each put is timed by the cycle counter, which costs more than a put: compare lines, do not subtract. The \
             longest put is the scheduler's as much as anybody's. Prepared memory is fresh, but its pages were brought \
             in between two epochs, by maintain; the floor beside it is the warm one."
        }
        "scale" => {
            "More threads than cores take turns: there the figure can only show that threads cost nothing by their \
             number. Beyond the caches all figures grow, the reference's as well: look at the ratio. Each point is a \
             run of its own, and stands at another moment of the machine."
        }
        "shared" => {
            "Counted, not timed. The model is a closed queue at one cache line that takes 100 ns to come over, each put \
             as fast as the bump loop's. crossbeam-epoch's own atomics and reference counts are not counted."
        }
        "sort" => {
            "Distinct keys, in random order; no key twice, so a list with few lines gives few keys."
        }
        "pin" => {
            "crossbeam collects garbage at every 128th pin of a thread; that is part of every figure here."
        }
        "ycsb" => {
            "Keys of 23 to 24 bytes, values of 100. An update in an arena leaves the old value until its epoch goes, as in a \
             memtable: rss-end counts it. Nodes are the map's own and are allocated with every contestant."
        }
        _ => "",
    }
}

/// Of a sweep, `scale/keys`, the group: `scale`. Of `ycsb-load`, `ycsb`.
fn name(group: &str) -> &str {
    group.split(['/', '-']).next().unwrap_or(group)
}
