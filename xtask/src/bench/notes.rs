//! The words of the report: what each group measures, and what its figures cannot say.

use epoch_arena_bench_wire::Group;

/// The heading of a table.
pub fn heading(group: Group) -> String {
    format!("== {group}: {}", summary(group))
}

/// What the group measures, in a line.
pub const fn summary(group: Group) -> &'static str {
    match group {
        Group::Put => "time of one put, median, and its ratio to the bump loop of the same round",
        Group::Resolve => "time from handle to bytes, median, and its ratio to a raw slice",
        Group::Reclaim => {
            "time to give 10 million keys back for reuse, and its ratio to a list of free chunks"
        }
        Group::Memory => "resident bytes per payload byte",
        Group::Churn => {
            "resident bytes per live byte, 100 epochs, 8 live; growth of memory over 2,000 epochs"
        }
        Group::Tail => {
            "percentiles of single puts, the timer's own cost included; ratio to the bump loop's"
        }
        Group::Scale => {
            "put, resolve and advance while one thing grows: keys, epochs, threads, length"
        }
        Group::Shared => {
            "shared writes per put, counted, and what a model makes of them on many cores"
        }
        Group::Sort => "sort and search of resolved keys, and its ratio to slices by memcmp",
        Group::Pin => "a pin and its unpin, and its ratio to crossbeam's",
        Group::Ycsb => {
            "YCSB's mixes A, B, C and F on somebody else's maps, keys and values in boxes and in arenas"
        }
    }
}

/// What to know before drawing conclusions.
pub const fn caveat(group: Group) -> &'static str {
    match group {
        Group::Put => {
            "One thread: its CPU clock. All cores: the wall clock, divided by all keys together; the reference is one \
             bump loop per thread that shares nothing. Warm: memory that the pass before wrote and gave back. Cold: \
             memory that the process has never touched, each figure from a process of its own; the reference runs on \
             huge pages. bumpalo, bump-scope and blink local serve one thread and know no epochs."
        }
        Group::Resolve => {
            "A pin makes handles safe to resolve; how many share one is the caller's choice, so there are three rows. \
             The per-thread arenas give plain slices: for them the first row is what a read costs."
        }
        Group::Reclaim => {
            "The CPU time of the thread that reclaims. For boxes it is the drop of each; for crossbeam, retiring each \
             and running the deferred calls; for the arenas, their reset. The reference pushes one entry per 64 KiB."
        }
        Group::Memory => {
            "Four million keys. Handles are not counted, they are the caller's with every contestant. Arenas of fixed \
             size are counted as far as they are resident. Where transparent huge pages are used, the last one \
             counts whole: with fewer keys it weighs more."
        }
        Group::Churn => {
            "mixed: 8 to 256 bytes. shift: the length grows with the epochs. pinned: one key in a thousand lives for 32 \
             epochs; boxes keep it where it is, arenas copy it onwards. Arenas without epochs are a ring of eight."
        }
        Group::Tail => {
            "Each put is timed by the cycle counter, which costs more than a put: compare rows, do not subtract. The \
             maximum is the scheduler's as much as anybody's."
        }
        Group::Scale => {
            "The number behind the name is what grows. More threads than cores take turns: there the figure can only \
             show that threads cost nothing by their number. Beyond the caches all figures grow, the reference's as \
             well: look at the ratio."
        }
        Group::Shared => {
            "Counted, not timed. `model` is a model: a closed queue at one cache line that takes 100 ns to come over, \
             each put as fast as the bump loop's. crossbeam-epoch's own atomics and reference counts are not counted."
        }
        Group::Sort => {
            "Distinct keys, in random order; no key twice, so a list with few lines gives few keys."
        }
        Group::Pin => {
            "crossbeam collects garbage at every 128th pin of a thread; that is part of every figure here."
        }
        Group::Ycsb => {
            "Keys of 24 bytes, values of 100. An update in an arena leaves the old value until its epoch goes, as in a \
             memtable: `rss-end` counts it. Nodes are the map's own and are allocated with every contestant."
        }
    }
}
