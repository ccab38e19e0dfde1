//! The layers in their order, from what was said to the typed tree.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ::config::Value;

use super::environment::{self, Environment};
use super::known::{self, CollectorSchema, Known};
use super::layer::{DEFAULT, Layer};
use super::leaf::{self, Checked};
use super::problem::{Problem, Problems, nearest};
use super::typed::Config;
use super::value::Bare;
use super::{check, cross, file, render, yaml};

/// A key that an option of the command line sets.
#[derive(Debug, Clone)]
pub struct Override {
    /// The option as the user knows it: `--log-level`.
    pub flag: String,
    /// The key with its sections: `agent.log_level`.
    pub key: String,
    /// What was said, as in an environment variable: lists `a,b`, maps `a=b,c=d`.
    pub value: String,
}

/// The text of a file that has been read.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The name under which problems are told.
    pub name: &'a str,
    /// The YAML.
    pub text: &'a str,
}

/// A configuration, and what is to be told of where it comes from.
#[derive(Clone)]
pub struct Loaded {
    /// The typed tree.
    pub config: Config,
    /// The file that was read; none where there is none.
    pub file: Option<PathBuf>,
    collectors: Vec<CollectorSchema>,
    said: Value,
    shown: OnceLock<String>,
}

impl Loaded {
    /// The resolved tree as YAML, each line with the place where its value was said, secrets hidden.
    ///
    /// Made when somebody asks: an agent that starts reads nothing of it.
    pub fn show(&self) -> &str {
        self.shown.get_or_init(|| {
            let known = known::all(&self.collectors);
            render::resolved(&known, &resolved(defaults(&known).layer, self.said.clone()))
        })
    }
}

/// What was said may be secrets, so only what was made of it is shown.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, file, .. } = self;
        f.debug_struct("Loaded").field("config", config).field("file", file).finish_non_exhaustive()
    }
}

/// Reads the configuration. The file is the one named here (`--config`), else by `HOSTMETER_CONFIG` or
/// `SC_AGENT_CONFIG`, and has to exist then; else [`DEFAULT_FILE`](super::DEFAULT_FILE), where it exists.
pub fn load(
    collectors: &[CollectorSchema],
    file: Option<&Path>,
    environment: &dyn Environment,
    overrides: &[Override],
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let found = file::find(file, environment).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let name = found.as_ref().map(|(path, _)| path.display().to_string()).unwrap_or_default();
    let text = found.as_ref().map(|(_, text)| Text { name: &name, text });
    let mut loaded = layers(collectors, text, environment, overrides, problems)?;
    loaded.file = found.map(|(path, _)| path);
    Ok(loaded)
}

/// The same from a file that has been read already: without any I/O.
pub fn resolve(
    collectors: &[CollectorSchema],
    file: Option<Text<'_>>,
    environment: &dyn Environment,
    overrides: &[Override],
) -> Result<Loaded, Problems> {
    layers(collectors, file, environment, overrides, Vec::new())
}

/// Defaults, file, environment and command line, each over those before it.
fn layers(
    collectors: &[CollectorSchema],
    file: Option<Text<'_>>,
    environment: &dyn Environment,
    overrides: &[Override],
    mut problems: Vec<Problem>,
) -> Result<Loaded, Problems> {
    let known = known::all(collectors);
    let mut take = |checked: Checked| {
        problems.extend(checked.problems);
        checked.layer
    };
    let defaults = take(defaults(&known));
    let said = Layer::merge(vec![
        take(file.map(|file| from_file(file, &known)).unwrap_or_default()),
        take(environment::checked(&known, environment)),
        take(from_command_line(overrides, &known)),
    ])?;
    let tree = resolved(defaults, said.clone());
    problems.extend(cross::check(&tree));
    problems.extend(cross::twice(&tree, collectors));
    Problems::of(problems)?;
    let endpoint = cross::endpoint(&tree);
    let mut config: Config = tree.try_deserialize()?;
    config.otlp.endpoint = endpoint;
    Ok(Loaded { config, file: None, collectors: collectors.to_vec(), said, shown: OnceLock::new() })
}

/// What was said over the defaults, and over those that follow from it.
fn resolved(mut defaults: Layer, said: Value) -> Value {
    cross::derive(&said, &mut defaults);
    defaults.under(said)
}

fn defaults(known: &[Known]) -> Checked {
    let mut out = Checked::default();
    for known in known.iter().filter(|known| !known.setting.default.is_empty()) {
        match yaml::plain(known.setting.default).map_or_else(|| yaml::parse(known.setting.default), Ok) {
            Ok(node) => leaf::node(known, node.line, &node, &|_| DEFAULT.to_owned(), &mut out),
            Err(fault) => out.problem(DEFAULT, &known.path, fault.message),
        }
    }
    out
}

fn from_file(file: Text<'_>, known: &[Known]) -> Checked {
    let origin = |line| format!("{}:{line}", file.name);
    yaml::parse(file.text).map_or_else(
        |fault| {
            let mut out = Checked::default();
            out.problem(&format!("{}:{}", file.name, fault.place), &[], fault.message);
            out
        },
        |root| check::tree(&root, known, &origin),
    )
}

fn from_command_line(overrides: &[Override], known: &[Known]) -> Checked {
    let mut out = Checked::default();
    for Override { flag, key, value } in overrides {
        match known.iter().find(|known| known.name() == *key) {
            // An empty value is one that was not said, as in the file and the environment.
            Some(known) if value.trim().is_empty() && known.setting.default.is_empty() => {}
            Some(known) => leaf::text(known, value, Bare::Seconds, flag, &mut out),
            None => {
                let names: Vec<String> = known.iter().map(Known::name).collect();
                let meant = nearest(key, names.iter().map(String::as_str));
                let hint = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
                out.problem(flag, &[key], format!("unknown key{hint}"));
            }
        }
    }
    out
}
