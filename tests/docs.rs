//! The documents say what the program does: metrics, labels, keys, variables, commands and links are looked up.
//!
//! `UPDATE=1 cargo test --test docs` writes the README's table of metrics anew.

#![allow(clippy::unwrap_used, reason = "what panics in a test is what the test found")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hostmeter::cli::catalogue;
use hostmeter::collectors::{ALL, schemas};
use hostmeter::config::{self, Text};
use hostmeter::export::prometheus;
use regex::Regex;

const READMES: [&str; 2] = ["README.md", "README.ko.md"];
const DOCUMENTS: [&str; 16] = [
    "README.md",
    "README.ko.md",
    "CHANGELOG.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "otel-collector/README.md",
    "examples/README.md",
    "examples/prometheus/README.md",
    "examples/grafana/README.md",
    "examples/webapp/README.md",
    "examples/alloy/README.md",
    "examples/container/README.md",
    "examples/kubernetes/README.md",
    "examples/compose/README.md",
    "tests/bench/README.md",
    "tests/bench/processes/README.md",
];

/// Attributes that a resource or a process has, beside those in the tables of metrics.
const OF_A_SENDER: [&str; 8] = [
    "service.name",
    "service.version",
    "service.instance.id",
    "host.name",
    "process.pid",
    "process.creation.time",
    "process.executable.name",
    "process.owner",
];

fn path(document: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(document)
}

fn read(document: &str) -> String {
    fs::read_to_string(path(document)).unwrap_or_else(|e| panic!("{document}: {e}"))
}

/// A document without what it says of other agents: the first cells of the tables below that heading.
fn ours(document: &str) -> String {
    let text = read(document);
    let mut of_others = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            of_others = line == "## Coming from another agent";
        }
        let cells = line.strip_prefix('|').filter(|_| of_others);
        out.extend([cells.map_or(line, |cells| cells.split_once('|').unwrap().1), "\n"]);
    }
    out
}

/// What stands between backticks, and the lines of every block of code.
fn code(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, part) in ours(document).split("```").enumerate() {
        if at % 2 == 1 {
            found.extend(part.lines().skip(1).map(str::to_owned));
        } else {
            found.extend(part.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The words of the code: names with their dots, but for files.
fn words(document: &str) -> BTreeSet<String> {
    let code = code(document).join("\n").replace("<name>", "cpu").replace("<NAME>", "CPU");
    let code = code.replace("<SECTION>__<KEY>", "OTLP__INTERVAL");
    let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    let words = words.map(|word| word.trim_matches('.').to_owned());
    words.filter(|word| !word.contains(".yaml") && !word.is_empty()).collect()
}

fn all_known(document: &str, what: &str, found: &[&String], known: &dyn Fn(&str) -> bool) {
    assert!(found.len() > 2, "{document}: only {found:?}");
    let unknown: Vec<_> = found.iter().filter(|word| !known(word)).collect();
    assert!(unknown.is_empty(), "{document}: no {what}: {unknown:#?}");
}

/// Every section and key of the configuration, from the annotated file, where a key stands two blanks further
/// in than its section.
fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    let line = Regex::new(r"(?m)^( *)#?([a-z][a-zA-Z0-9_.]*):( |$)").unwrap();
    for found in line.captures_iter(&config::render_default(&schemas())) {
        open.truncate(found[1].len() / 2);
        open.push(found[2].to_owned());
        keys.insert(open.join("."));
    }
    keys
}

#[test]
fn the_table_of_metrics_is_that_of_the_program() {
    let readme = read("README.md");
    let (begin, end) = ("by `UPDATE=1 cargo test --test docs` -->\n", "<!-- metrics:end -->");
    let (before, rest) = readme.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let fresh = format!("{before}{begin}\n{}\n{end}{after}", catalogue::markdown());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path("README.md"), &fresh).unwrap();
    } else {
        assert!(readme == fresh, "the README's table is behind: UPDATE=1 cargo test --test docs");
    }
}

#[test]
fn every_metric_and_every_label_exists() {
    let metrics = || ALL.iter().flat_map(|spec| spec.metrics);
    let attributes = metrics().flat_map(|metric| metric.attributes).map(|attribute| attribute.name);
    let mut names: BTreeSet<String> =
        metrics().flat_map(|m| [m.name.to_owned(), prometheus::name(m)]).collect();
    for attribute in attributes.chain(OF_A_SENDER) {
        names.extend([attribute.to_owned(), attribute.replace('.', "_")]);
    }
    let settings: BTreeSet<String> =
        keys().iter().filter_map(|key| Some(key.rsplit_once('.')?.1.to_owned())).collect();
    let name = Regex::new(r"^(system|process|hostmeter|cpu|disk|network|service|host)[._]").unwrap();
    let words = words("README.md");
    let found: Vec<_> =
        words.iter().filter(|word| name.is_match(word) && !settings.contains(*word)).collect();
    // `system.cpu.*` stands for all that begin so.
    let begins = |word: &str| names.iter().any(|name| name.starts_with(&format!("{word}.")));
    all_known("README.md", "metric or label", &found, &|word| names.contains(word) || begins(word));
}

#[test]
fn every_key_exists() {
    let keys = keys();
    assert!(keys.contains("collectors.process.metrics.process.disk.io") && keys.contains("otlp.interval"));
    let key = Regex::new(r"^(agent|prometheus|otlp|queue|resource_limits|collectors)\.").unwrap();
    for document in READMES {
        let words = words(document);
        // A component of Alloy begins like a section of ours, and one key is misspelt to show what is said of it.
        let ours = |word: &&String| key.is_match(word) && !word.starts_with("prometheus.remote_write");
        let found: Vec<_> = words.iter().filter(ours).filter(|word| *word != "prometheus.prot").collect();
        all_known(document, "key", &found, &|word| keys.contains(word));
    }
}

#[test]
fn every_example_of_a_configuration_is_good() {
    for document in READMES {
        let text = read(document);
        let examples = text.split("```yaml\n").skip(1).filter(|block| block.starts_with("# hostmeter.yaml"));
        let examples: Vec<_> = examples.map(|block| block.split("```").next().unwrap()).collect();
        assert!(!examples.is_empty(), "{document} has none");
        for text in examples {
            let text = Text { name: document, text };
            config::resolve(&schemas(), Some(text), &BTreeMap::new(), &[]).unwrap();
        }
    }
}

/// Whether the configuration looks at a variable: it then says something else, be it that it refuses the value.
fn makes_a_difference(variable: &str) -> bool {
    let said = |environment: &BTreeMap<String, String>| {
        let loaded = config::load(&schemas(), None, environment, &[]);
        loaded.map_or_else(|problems| problems.to_string(), |loaded| loaded.show().to_owned())
    };
    let with = said(&BTreeMap::from([(variable.to_owned(), "~".to_owned())]));
    with != said(&BTreeMap::new()) && !with.contains("unknown variable")
}

#[test]
fn every_environment_variable_exists() {
    assert!(
        !makes_a_difference("OTEL_BSP_SCHEDULE_DELAY") && !makes_a_difference("HOSTMETER_OTLP__INTERVALL")
    );
    let variable = Regex::new("^(OTEL|HOSTMETER|SC|LOG|PROMETHEUS|COLLECTOR|K8S|NO)_[A-Z0-9_]+$").unwrap();
    // These are read where the host is asked who it is and where the log is started.
    let elsewhere = |word: &str| word.starts_with("K8S_") || word == "NO_COLOR";
    for document in READMES {
        let words = words(document);
        let found: Vec<_> = words.iter().filter(|word| variable.is_match(word)).collect();
        all_known(document, "variable", &found, &|word| elsewhere(word) || makes_a_difference(word));
    }
    let named = Regex::new("# +Environment:|# (?:OTEL|SC)_").unwrap();
    let readme = words("README.md");
    let annotated = config::render_default(&schemas());
    for word in annotated.lines().filter(|line| named.is_match(line)).flat_map(str::split_whitespace) {
        let word = word.trim_matches([',', '.']);
        assert!(!variable.is_match(word) || readme.contains(word), "README.md does not name {word}");
    }
}

/// What `hostmeter <words> --help` prints; none where there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let output =
        assert_cmd::Command::cargo_bin("hostmeter").unwrap().args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The words and the flags of a line that calls hostmeter, with or without variables before it.
fn call(line: &str) -> Option<(Vec<&str>, Vec<&str>)> {
    let line = line.trim_start_matches("$ ");
    let mut tokens =
        line.split([' ', '=']).skip_while(|token| token.contains('_') || token.parse::<u16>().is_ok());
    if tokens.next() != Some("hostmeter") {
        return None;
    }
    let tokens: Vec<_> = tokens.take_while(|token| !["|", ">"].contains(token)).collect();
    let is_word = |token: &&&str| token.chars().all(|c| c.is_ascii_lowercase());
    let words: Vec<_> = tokens.iter().take_while(is_word).copied().collect();
    Some((words, tokens.into_iter().filter(|token| token.starts_with("--")).collect()))
}

#[test]
fn every_command_and_every_flag_exists() {
    assert_eq!(
        call("X_Y=0 hostmeter config show --root / | grep a"),
        Some((vec!["config", "show"], vec!["--root"]))
    );
    for document in READMES {
        // What a block says to cargo or docker may be named in the text, too.
        let text = ours(document);
        let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
        let flags = blocks.collect::<String>() + &help(&[]).unwrap() + &help(&["metrics"]).unwrap();
        let mut seen = 0;
        for line in code(document) {
            if let Some((words, flags)) = call(&line) {
                let help = help(&words).unwrap_or_else(|| panic!("{document}: no such command: {line}"));
                assert!(flags.iter().all(|flag| help.contains(flag)), "{document}: no such flag: {line}");
                seen += 1;
            } else if line.starts_with("--") {
                let flag = line.split(' ').next().unwrap();
                assert!(flags.contains(flag), "{document}: no {flag}");
            }
        }
        assert!(seen > 4, "{document}: only {seen} commands");
    }
}

/// The anchor that a code host gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        for found in link.captures_iter(&read(document)) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = path(document).parent().unwrap().join(file);
            let file = if target.starts_with('#') { path(document) } else { file };
            let is_heading =
                |text: String| text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
            if !file.exists() || !(heading.is_empty() || is_heading(fs::read_to_string(&file).unwrap())) {
                wrong.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
