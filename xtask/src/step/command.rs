//! A command: its words and its variables.

use std::ffi::{OsStr, OsString};
use std::fmt;

/// A command that runs in the workspace's root.
#[derive(Clone, Debug)]
pub struct Command {
    words: Vec<OsString>,
    variables: Vec<(String, String)>,
}

impl Command {
    /// `cargo` with these words, divided by spaces: the cargo that runs us, if it told, so that `cargo +nightly xtask test` is
    /// consistent.
    pub fn cargo(words: &str) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let words = std::iter::once(cargo).chain(words.split_whitespace().map(OsString::from));
        Self { words: words.collect(), variables: Vec::new() }
    }

    /// The program and its words, divided by spaces. `cargo` is rustup's here, which takes `+nightly`.
    pub fn program(words: &str) -> Self {
        Self { words: words.split_whitespace().map(OsString::from).collect(), variables: Vec::new() }
    }

    /// With a word that may have spaces.
    pub fn arg(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a target folder of its own: flags of its own would rebuild everything in the shared one, twice.
    pub fn target(self, folder: &str) -> Self {
        self.env("CARGO_TARGET_DIR", folder)
    }

    /// The names, or parts of names, of the tests that it is to run: what is behind `--`, without the options.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let behind = self.words.iter().skip_while(|word| *word != "--").skip(1);
        behind.filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'))
    }

    /// For the library that runs it.
    pub fn expression(&self) -> duct::Expression {
        let expression = duct::cmd(&self.words[0], &self.words[1..]).dir(crate::workspace()).stdin_null();
        self.variables.iter().fold(expression, |expression, (name, value)| expression.env(name, value))
    }

    /// Whether it ends well, without a word.
    pub fn works(&self) -> bool {
        let quiet = self.expression().stdout_null().stderr_null().unchecked();
        quiet.run().is_ok_and(|output| output.status.success())
    }
}

/// As one would type it, nearly.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &OsStr| match text.to_string_lossy() {
            text if text.contains([' ', '(', '*']) => format!("\"{text}\""),
            text => text.into_owned(),
        };
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value.as_ref()))?;
        }
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_with_its_variables() {
        let command = Command::program("echo c").arg("a b").env("FLAGS", "-a -b");
        assert_eq!(command.to_string(), "FLAGS=\"-a -b\" echo c \"a b\"");
        assert!(!Command::program("/nonexistent").works());
    }

    #[test]
    fn filters_are_behind_the_dashes_and_options_are_none() {
        let filters = |words| Command::program(words).filters().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(filters("cargo test --test all -- --nocapture race threads::"), ["race", "threads::"]);
        assert!(filters("cargo test --test all race").is_empty());
    }
}
