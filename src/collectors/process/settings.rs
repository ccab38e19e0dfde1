//! The settings of the process collector.

use serde::Deserialize;

use crate::config::{Kind, Setting};

use super::arguments::Form;
use super::detail::Extra;
use super::group::GroupBy;
use super::matching::{Filter, Rule};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "view",
        Kind::OneOf(&["top", "groups", "all"]),
        "top",
        "What is shown: the biggest processes alone (top), groups of processes (groups), or every process up \
         to the ceiling (all). Whoever is not shown is in one remainder, _other.",
    ),
    Setting::new(
        "top_n",
        Kind::Int(1, 500),
        "20",
        "How many processes the view top takes by each of CPU, memory and I/O.",
    ),
    Setting::new(
        "ceiling",
        Kind::Int(1, 50_000),
        "2000",
        "The most processes that the view all shows alone; the smaller ones beyond it are in _other.",
    ),
    Setting::new(
        "group_by",
        Kind::OneOf(&["executable", "owner", "cgroup", "container", "rules"]),
        "executable",
        "What the view groups goes by.",
    ),
    Setting::new(
        "rules",
        Kind::List,
        "[]",
        "The groups of group_by: rules; the first that matches wins. Each is a name and regular expressions \
         on name, owner, executable (its path), cgroup or arguments, all of which have to match: \
         [\"web: name=^nginx$\", \"jobs: name=^java$ arguments=--queue=\"].",
    ),
    Setting::new(
        "max_groups",
        Kind::Int(1, 5_000),
        "200",
        "The most groups; processes of others are in _other.",
    ),
    Setting::new(
        "include",
        Kind::List,
        "[]",
        "Show only processes that match one of these, written as in rules: [\"owner=^www-data$\"].",
    ),
    Setting::new("exclude", Kind::List, "[]", "Leave processes that match one of these to _other."),
    Setting::new(
        "kernel_threads",
        Kind::Bool,
        "true",
        "Whether kernel threads may be shown alone. They are counted in _other otherwise.",
    ),
    Setting::new(
        "attributes",
        Kind::List,
        "[]",
        "What else to say of a process that is shown: process.command, process.parent_pid, \
         process.executable.path, process.linux.cgroup, container.id.",
    ),
    Setting::new(
        "command_line",
        Kind::OneOf(&["none", "scrubbed", "keys_only"]),
        "none",
        "Show process.command_line. scrubbed hides what looks like a secret, which is a net and not a wall; \
         keys_only keeps the program and its flags and hides every value.",
    ),
];

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub view: View,
    pub top_n: usize,
    pub ceiling: usize,
    pub group_by: GroupBy,
    pub rules: Vec<String>,
    pub max_groups: usize,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub kernel_threads: bool,
    pub attributes: Vec<Extra>,
    pub command_line: CommandLine,
}

impl Config {
    /// The filter and the rules, or what is wrong with one of them.
    pub(super) fn expressions(&self) -> Result<(Filter, Vec<Rule>), String> {
        let filter = Filter::parse(&self.include, &self.exclude)
            .map_err(|e| format!("collectors.process.include or exclude: {e}"))?;
        let rules = self.rules.iter().map(|text| Rule::parse(text)).collect::<Result<_, _>>();
        Ok((filter, rules.map_err(|e| format!("collectors.process.rules: {e}"))?))
    }
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum View {
    Top,
    Groups,
    All,
}

/// Whether command lines are shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CommandLine {
    None,
    Scrubbed,
    KeysOnly,
}

impl CommandLine {
    pub(super) fn form(self) -> Option<Form> {
        match self {
            CommandLine::None => None,
            CommandLine::Scrubbed => Some(Form::Scrubbed),
            CommandLine::KeysOnly => Some(Form::KeysOnly),
        }
    }
}
