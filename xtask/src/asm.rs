//! `cargo xtask asm put`: the machine code of a hot operation, as the release profile makes it, and how many
//! instructions stand on its straight path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustc_demangle::try_demangle;

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The operation.
    #[arg(value_enum)]
    operation: Operation,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Operation {
    /// A put of 16 bytes under a guard.
    Put,
    /// A handle to its bytes, under a guard.
    Resolve,
    /// A pin and its unpin.
    Pin,
}

impl Operation {
    /// The probe's name; see `benches/src/bin/asm.rs`.
    const fn symbol(self) -> &'static str {
        match self {
            Self::Put => "epoch_arena_probe_put",
            Self::Resolve => "epoch_arena_probe_resolve",
            Self::Pin => "epoch_arena_probe_pin",
        }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), String> {
    let file = build()?;
    let text = std::fs::read_to_string(&file).map_err(|error| {
        // Cargo does not know of the file, and so does not make it again.
        format!(
            "{}: cannot be read: {error}; `cargo clean --release -p epoch-arena-bench` has it made again",
            file.display()
        )
    })?;
    print!("{}", report(args.operation.symbol(), &functions(&text))?);
    Ok(())
}

/// Builds the probes; gives the file with their assembly.
fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With what it belongs to, so that one goes with the other.
    let file = crate::target_dir()
        .join("release")
        .join("epoch-arena-asm.s");
    let status = Command::new(&cargo)
        .current_dir(crate::workspace())
        .args(["rustc", "--release", "--package", "epoch-arena-bench"])
        .args(["--bin", "asm", "--features", "asm", "--"])
        .arg(format!("--emit=asm={}", file.display()))
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("`{}` cannot be started: {error}", cargo.display()))?;
    if status.success() {
        Ok(file)
    } else {
        Err("the probes cannot be built, see above".into())
    }
}

type Functions<'t> = BTreeMap<&'t str, Vec<&'t str>>;

/// The functions of an assembly file: what stands between a symbol's own label and its size.
fn functions(text: &str) -> Functions<'_> {
    let mut functions = Functions::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':')
            && !name.starts_with('.')
        {
            open = Some((name, Vec::new()));
        } else if line.trim_start().starts_with(".size") {
            functions.extend(open.take());
        } else if let Some((_, lines)) = &mut open
            && (instruction(line).is_some() || label(line).is_some())
        {
            lines.push(line);
        }
    }
    functions
}

/// The instruction of a line and its operands.
fn instruction(line: &str) -> Option<(&str, &str)> {
    let text = line.strip_prefix('\t')?;
    let is_instruction = text.starts_with(|first: char| first.is_ascii_alphabetic());
    is_instruction.then(|| text.split_once('\t').unwrap_or((text, "")))
}

/// A label that something may jump to, and not one that marks a place for a debugger.
fn label(line: &str) -> Option<&str> {
    line.strip_suffix(':')
        .filter(|name| name.starts_with(".LBB"))
}

/// What a function does when no conditional branch is taken.
#[derive(Debug, Default, PartialEq)]
struct Straight<'t> {
    /// The lines, by their place in the function.
    lines: Vec<usize>,
    /// Conditional branches that were passed.
    branches: usize,
    /// What is called on the way.
    calls: Vec<&'t str>,
}

fn straight<'t>(lines: &[&'t str]) -> Straight<'t> {
    let mut path = Straight::default();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let here = at;
        at += 1;
        let Some((name, operands)) = instruction(line) else {
            continue;
        };
        if path.lines.contains(&here) {
            // A loop that nothing conditional ends.
            break;
        }
        path.lines.push(here);
        match name {
            _ if name.starts_with("ret") || matches!(name, "ud2" | "brk") => break,
            _ if name.starts_with("call") || name == "bl" => path.calls.push(operands),
            "jmp" | "b" => match lines.iter().position(|line| label(line) == Some(operands)) {
                Some(target) => at = target,
                None => {
                    path.calls.push(operands);
                    break;
                }
            },
            _ => path.branches += usize::from(is_conditional(name)),
        }
    }
    path
}

fn is_conditional(name: &str) -> bool {
    name.starts_with('j')
        || name.starts_with("b.")
        || name.starts_with("cb")
        || name.starts_with("tb")
}

/// The function, then those that it calls on its straight path, with the sum at the end.
fn report(symbol: &str, functions: &Functions<'_>) -> Result<String, String> {
    if !functions.contains_key(symbol) {
        return Err(format!("the assembly has no `{symbol}`"));
    }
    let mut text = String::new();
    let (mut shown, mut queue): (Vec<&str>, Vec<&str>) = (Vec::new(), vec![symbol]);
    let (mut instructions, mut branches, mut outside) = (0, 0, Vec::new());
    while !queue.is_empty() {
        let name = queue.remove(0);
        let Some(lines) = functions.get(name) else {
            // Of a library, or by a pointer.
            outside.push(demangled(name));
            continue;
        };
        let path = straight(lines);
        instructions += path.lines.len();
        branches += path.branches;
        queue.extend(&path.calls);
        if !shown.contains(&name) {
            text.push_str(&listing(name, lines, &path));
            shown.push(name);
        }
    }
    text.push_str(&format!(
        "straight path, no branch taken: {instructions} instructions in {} function(s), {branches} branches passed\n",
        shown.len()
    ));
    if !outside.is_empty() {
        text.push_str(&format!(
            "not counted, as they are elsewhere: {}\n",
            outside.join(", ")
        ));
    }
    Ok(text)
}

/// The instructions, those on the straight path with their number.
fn listing(name: &str, lines: &[&str], path: &Straight<'_>) -> String {
    let mut text = format!("{}:\n", demangled(name));
    for (at, line) in lines.iter().enumerate() {
        let Some((name, operands)) = instruction(line) else {
            text.push_str(&format!("     {line}\n"));
            continue;
        };
        let number = path.lines.iter().position(|on| *on == at);
        let number = number.map_or_else(String::new, |number| (number + 1).to_string());
        let line = format!("{number:>4}   {name:<9} {}", demangled(operands));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The text with the names in it as they stand in the source.
fn demangled(text: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !part(c)).unwrap_or(from.len()));
        shown.push_str(before);
        match try_demangle(word) {
            // Without the hash at the end.
            Ok(name) => shown.push_str(&format!("{name:#}")),
            Err(_) => shown.push_str(word),
        }
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
\t.globl\tprobe
probe:
.Lfunc_begin0:
\t.cfi_startproc
\tcmpq\t%rdx, 40(%rax)
\tjne\t.LBB0_2
.Ltmp1:
\tcallq\t_ZN4pool4view4View6refill17hfd3d2cb05aeb76e4E
\tjmp\t.LBB0_3
.LBB0_2:
\tud2
.LBB0_3:
\tretq
.Lfunc_end0:
\t.size\tprobe, .Lfunc_end0-probe
_ZN4pool4view4View6refill17hfd3d2cb05aeb76e4E:
\tmovl\t$1, %eax
\tjmp\tmalloc
\t.size\t_ZN4pool4view4View6refill17hfd3d2cb05aeb76e4E, 9
";

    #[test]
    fn a_function_is_cut_out_and_its_straight_path_followed() {
        let functions = functions(TEXT);
        assert_eq!(functions.len(), 2);
        let path = straight(&functions["probe"]);
        let names: Vec<_> = path
            .lines
            .iter()
            .map(|at| instruction(functions["probe"][*at]).unwrap().0)
            .collect();
        assert_eq!(names, ["cmpq", "jne", "callq", "jmp", "retq"]);
        assert_eq!((path.branches, path.calls.len()), (1, 1));
    }

    #[test]
    fn the_report_has_what_is_called_and_says_what_it_could_not_count() {
        let text = report("probe", &functions(TEXT)).unwrap();
        assert!(
            text.contains("7 instructions in 2 function(s), 1 branches passed"),
            "{text}"
        );
        assert!(text.contains("elsewhere: malloc"), "{text}");
        assert!(
            text.contains("pool::put::refill") && !text.contains("17hfd3d"),
            "{text}"
        );
        assert!(
            text.contains("\n     .LBB0_2:\n         ud2\n") || text.contains("ud2"),
            "{text}"
        );
        assert!(
            report("other", &functions(TEXT))
                .unwrap_err()
                .contains("`other`")
        );
    }

    #[test]
    fn a_loop_without_an_end_is_left() {
        assert_eq!(
            straight(&[".LBB0_1:", "\tnop", "\tjmp\t.LBB0_1"]).lines,
            [1, 2]
        );
    }
}
