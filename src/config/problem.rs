//! What is wrong with the configuration, every problem at once, each with the place where it stands.

use std::fmt;

use ::config::ConfigError;

/// A file that is no configuration of ours may have a problem in each of its thousands of lines.
const TOLD: usize = 50;

/// The longest name that is shown whole.
const LONGEST: usize = 200;

/// One thing that is wrong: `hostmeter.yaml:12: otlp.intervall: unknown key; did you mean "interval"?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands: a line of the file, a variable of the environment, an option of the command line.
    pub origin: String,
    /// The key with its sections, such as `otlp.interval`; empty where no key is meant.
    pub key: String,
    /// What was expected, what stands there and, where there is one, the remedy.
    pub message: String,
    /// It is a name that nobody knows.
    pub(super) unknown: bool,
}

impl Problem {
    pub(super) fn new(origin: impl AsRef<str>, key: &str, message: impl Into<String>) -> Self {
        Self {
            origin: one_line(origin.as_ref()),
            key: one_line(key),
            message: message.into(),
            unknown: false,
        }
    }
}

/// The name of a file, a variable or a key may hold anything, and what is told ends on a terminal.
pub(super) fn one_line(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        match c {
            _ if i == LONGEST => return out + "...",
            c if c.is_control() => out.extend(c.escape_debug()),
            c => out.push(c),
        }
    }
    out
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, message, .. } = self;
        if key.is_empty() {
            return write!(f, "{origin}: {message}");
        }
        write!(f, "{origin}: {key}: {message}")
    }
}

/// Everything that is wrong; never empty. Shown as a line each, the first fifty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems in the order in which they were found, which is that of the lines, or nothing where
    /// there are none.
    pub(super) fn of(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// A single one.
    pub(super) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().take(TOLD).enumerate() {
            let line_end = if i == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The tables and the typed tree differ: no configuration can cause that, and the tests would show it.
impl From<ConfigError> for Problems {
    fn from(error: ConfigError) -> Self {
        Self(vec![Problem::new("hostmeter", "", format!("a bug in its tables of settings: {error}"))])
    }
}

/// How alike two words must be, by Jaro and Winkler's measure, before one is proposed for the other.
const ALIKE: f64 = 0.8;

/// The known word that is nearest to a wrong one, where one is near enough to be meant.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Likeness costs the product of both lengths, and no name of ours is that long.
    if wrong.len() > LONGEST {
        return None;
    }
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&wrong, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// What stands there, for the end of the sentence "found ...": quoted unless a number or a switch, without
/// control characters, and cut to 80 characters.
pub(super) fn shown(text: &str) -> String {
    let bare = text.parse::<f64>().is_ok_and(f64::is_finite) || matches!(text, "true" | "false");
    let cut = text.char_indices().nth(80).map(|(end, _)| &text[..end]);
    match (bare, cut) {
        (true, None) => text.to_owned(),
        (_, None) => format!("{text:?}"),
        (_, Some(start)) => format!("{start:?}..."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let nearest = |wrong| nearest(wrong, ["interval", "endpoint", "load", "disk", "network", "timeout"]);
        assert_eq!(nearest("intervall"), Some("interval"));
        assert_eq!(nearest("Endpiont"), Some("endpoint"));
        assert_eq!(nearest("loadavg"), Some("load"));
        assert_eq!(nearest("diskstats"), Some("disk"));
        assert_eq!(nearest("colour"), None);
    }

    #[test]
    fn what_stands_there_is_shown_on_one_line() {
        assert_eq!(shown("123456"), "123456");
        assert_eq!(shown("a\nb\u{1b}[31m"), r#""a\nb\u{1b}[31m""#);
        assert_eq!(shown(&"é".repeat(100)), format!("\"{}\"...", "é".repeat(80)));
        assert_eq!(shown(&"1".repeat(100)), format!("\"{}\"...", "1".repeat(80)));
    }

    #[test]
    fn a_problem_is_one_line_whatever_the_key_holds() {
        let problem = Problem::new("a.yaml:2", "agent.\u{1b}[31m\nx", "unknown key");
        assert_eq!(problem.to_string(), r"a.yaml:2: agent.\u{1b}[31m\nx: unknown key");
        assert_eq!(Problem::new("a.yaml", "", "no such file").to_string(), "a.yaml: no such file");
    }
}
