//! The file against the tables, section by section: what is known is kept, what is wrong becomes a problem,
//! and the check goes on, so that every problem is told at once.

use std::collections::HashMap;

use super::known::{ALIASES, COLLECTORS, Known, METRICS};
use super::leaf::{self, Checked, found, inside};
use super::problem::{nearest, shown};
use super::setting::Kind;
use super::tables::ENABLED;
use super::value::{self, Bare};
use super::yaml::{Data, Key, Node};

/// How many known keys are listed where none is near the wrong one.
const LISTED: usize = 12;

/// Checks the tree of a file, `origin` telling the place of a line.
pub(super) fn tree(root: &Node, known: &[Known], origin: &dyn Fn(usize) -> String) -> Checked {
    let mut check = Check { known, origin, out: Checked::default() };
    check.section(&mut Vec::new(), root.line, root);
    check.out
}

struct Check<'a> {
    known: &'a [Known],
    origin: &'a dyn Fn(usize) -> String,
    out: Checked,
}

impl Check<'_> {
    fn problem(&mut self, line: usize, path: &[&str], message: impl Into<String>) {
        self.out.problem(&(self.origin)(line), path, message);
    }

    /// A section and everything in it. `path` holds known names only, and is as before on return.
    fn section(&mut self, path: &mut Vec<&'static str>, line: usize, node: &Node) {
        let entries = match &node.data {
            Data::Nothing => return,
            Data::Map(entries) => entries,
            Data::Scalar(word) if matches!(path[..], [COLLECTORS, _]) => {
                return self.shorthand(path, line, word);
            }
            other => {
                let first = self.children(path).first().copied().unwrap_or_default();
                let message =
                    format!("expected a section with keys such as {first:?}, found {}", found(other));
                return self.problem(line, path, message);
            }
        };
        let mut said = HashMap::new();
        for (key, node) in entries {
            let Some(name) = self.child(path, &key.name) else {
                self.unknown(path, key);
                continue;
            };
            path.push(name);
            if let Some(before) = said.insert(name, key.line) {
                self.problem(key.line, path, format!("stands on line {before} already"));
            } else if let Some(known) = self.known.iter().find(|known| known.path == *path) {
                leaf::node(known, key.line, node, self.origin, &mut self.out);
            } else {
                self.section(path, key.line, node);
            }
            path.pop();
        }
    }

    /// `collectors.cpu: false` is short for `collectors.cpu.enabled: false`.
    fn shorthand(&mut self, path: &[&'static str], line: usize, word: &str) {
        match value::scalar(Kind::Bool, word, Bare::Seconds) {
            Ok(on) => self.out.layer.set(&inside(path, ENABLED), &(self.origin)(line), on),
            Err(_) => {
                self.problem(line, path, format!("expected true, false or a section, found {}", shown(word)));
            }
        }
    }

    fn unknown(&mut self, path: &[&str], key: &Key) {
        let what = match path {
            [] => "unknown section",
            [COLLECTORS] => "unknown collector",
            [COLLECTORS, _, METRICS] => "unknown metric",
            _ => "unknown key",
        };
        let children = self.children(path);
        let sibling = || nearest(&key.name, children.iter().copied()).map(String::from);
        let hint = match self.elsewhere(&key.name).or_else(sibling) {
            _ if self.known.iter().any(|known| known.name() == key.name) => {
                String::from("each part of a key stands on a line of its own, below the part before it")
            }
            Some(meant) => format!("did you mean {meant:?}?"),
            None if children.len() > LISTED => format!("known here: {}, ...", children[..LISTED].join(", ")),
            None => format!("known here: {}", children.join(", ")),
        };
        self.problem(key.line, &inside(path, &key.name), format!("{what}; {hint}"));
        if let Some(problem) = self.out.problems.last_mut() {
            problem.unknown = true;
        }
    }

    /// The known keys in a section, and the name in it that leads to each.
    fn under(&self, path: &[&str]) -> impl Iterator<Item = (&Known, &'static str)> {
        let under = self.known.iter().filter(|known| known.path.starts_with(path));
        under.filter_map(|known| Some((known, *known.path.get(path.len())?)))
    }

    /// The names that may stand in a section, each once.
    fn children(&self, path: &[&str]) -> Vec<&'static str> {
        let mut children: Vec<_> = self.under(path).map(|(_, name)| name).collect();
        children.dedup();
        children
    }

    /// The name that a key has in a section; older names count.
    fn child(&self, path: &[&str], key: &str) -> Option<&'static str> {
        let is_older =
            |known: &Known| known.path.len() == path.len() + 1 && known.setting.also.contains(&key);
        if *path == [COLLECTORS]
            && let Some((_, name)) = ALIASES.iter().find(|(older, _)| *older == key)
        {
            return self.under(path).map(|(_, known)| known).find(|known| known == name);
        }
        let today = self.under(path).find(|(_, name)| *name == key);
        let found = today.or_else(|| self.under(path).find(|(known, _)| is_older(known)));
        found.map(|(_, name)| name)
    }

    /// The only key anywhere that has this name, today or with an older agent.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let named = |known: &&Known| known.path.last() == Some(&name) || known.setting.also.contains(&name);
        let mut found = self.known.iter().filter(named);
        found.next().filter(|_| found.next().is_none()).map(Known::name)
    }
}
