//! The tables as text: the annotated default file, and the resolved tree.

use std::time::Duration;

use ::config::{Value, ValueKind};

use super::known::{self, COLLECTORS, CollectorSchema, Known, METRICS, collector_variable};
use super::layer::{self, DEFAULT, get};
use super::problem::one_line;
use super::setting::{Kind, Setting};
use super::tables::{COLLECTOR, SECTIONS};
use super::typed::HIDDEN;
use super::value;

/// Where the comments of the annotated file are broken.
const WIDTH: usize = 100;

const HEAD: &str = "\
# hostmeter's configuration: every key with its default. The file is the one named by --config, else by the
# variable HOSTMETER_CONFIG, else /etc/hostmeter/hostmeter.yaml; without one, all of this holds.
#
# A key with a \"#\" directly before it is not set: its default stands there, and may change with a release.
# Remove the \"#\" to set it. Whatever is unknown, of the wrong type or out of range is refused with its line:
# \"hostmeter check\" tells all of it at once, and \"hostmeter config show\" what holds in the end and why.
#
# The environment is stronger than this file, and the command line is stronger than both. Beside the variables
# named here, each key has its own: HOSTMETER_<SECTION>__<KEY>, such as HOSTMETER_OTLP__INTERVAL=30s or
# HOSTMETER_COLLECTORS__LOAD__ENABLED=false. An empty variable counts as not set.
#
# Durations are written as 15s, 500ms or 1h 30m, a bare number is seconds (milliseconds in OTEL_* variables);
# sizes as 8MiB or 512KiB, a bare number is bytes.
";

const COLLECTORS_ABOUT: &str = "\
What is read, a section for each collector. Each has the two keys below, a switch for each of its metrics and, \
where it says so, settings of its own. \"load: false\" is short for the key enabled below load.";

/// The annotated default file: `config/hostmeter.yaml`.
pub fn render_default(collectors: &[CollectorSchema]) -> String {
    let section = |path: &[&str]| match path {
        [COLLECTORS] => comment("", COLLECTORS_ABOUT) + &common_settings(),
        [COLLECTORS, name] => {
            let about = collectors.iter().find(|collector| collector.name == *name);
            comment("  ", about.map_or("", |collector| collector.about))
        }
        ["otlp", "tls"] => comment("  ", "Whom to trust, and who the agent is, where the endpoint is https."),
        [name] => {
            let about = SECTIONS.iter().find(|section| section.name == *name);
            comment("", about.map_or("", |section| section.about))
        }
        _ => String::new(),
    };
    let setting = |known: &Known, indent: &str| {
        let Setting { about, default, .. } = known.setting;
        let key = known.path.last().copied().unwrap_or_default();
        let line = format!("{indent}#{key}: {default}");
        // What every collector has is told once, unless this one has another default and says why.
        let told = COLLECTOR.iter().any(|common| common.about == about);
        if known.is_common() && told || known.path.contains(&METRICS) {
            return format!("{}\n", line.trim_end());
        }
        let environment = match known.setting.env {
            [] => String::new(),
            names => comment(indent, &format!("Environment: {}", names.join(", "))),
        };
        format!(
            "{}{environment}{}\n",
            comment(indent, &(about.to_owned() + &range(known.setting.kind))),
            line.trim_end()
        )
    };
    HEAD.to_owned() + "\n" + &walk(&known::all(collectors).iter().collect::<Vec<_>>(), &section, &setting)
}

/// The resolved tree as YAML, each line with the place where its value was said.
pub(super) fn resolved(known: &[Known], tree: &Value) -> String {
    resolved_of(&known.iter().collect::<Vec<_>>(), tree)
}

fn resolved_of(known: &[&Known], tree: &Value) -> String {
    walk(known, &|_| String::new(), &|known, indent| {
        let key = text(known.path.last().copied().unwrap_or_default());
        let kind = known.setting.kind;
        match get(tree, &known.path) {
            None => format!("{indent}{key}:  # not set\n"),
            Some(Value { kind: ValueKind::Table(table), .. }) if kind.is_map() && !table.is_empty() => {
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by_key(|(name, _)| *name);
                let entries = entries.into_iter().map(|(name, value)| {
                    format!("{indent}  {}: {}  # {}\n", text(name), shown(kind, value), origin(value))
                });
                format!("{indent}{key}:\n{}", entries.collect::<String>())
            }
            Some(value) => format!("{indent}{key}: {}  # {}\n", shown(kind, value), origin(value)),
        }
    })
}

/// The same of the keys that were said alone.
pub(super) fn said(known: &[Known], tree: &Value) -> String {
    let all = known.iter().filter(|known| get(tree, &known.path).is_some());
    resolved_of(&all.collect::<Vec<_>>(), tree)
}

/// The keys in their order, and before the first of each section the section's own line.
fn walk(
    known: &[&Known],
    section: &dyn Fn(&[&str]) -> String,
    setting: &dyn Fn(&Known, &str) -> String,
) -> String {
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    for known in known {
        let (_, sections) = known.path.split_last().unwrap_or((&"", &[]));
        let common = open.iter().zip(sections).take_while(|(a, b)| a == b).count();
        open.truncate(common);
        for name in &sections[common..] {
            open.push(name);
            push(&mut out, &section(&open));
            out.extend(["  ".repeat(open.len() - 1).as_str(), name, ":\n"]);
        }
        push(&mut out, &setting(known, &"  ".repeat(open.len())));
    }
    out
}

/// A comment stands apart from what is before it, unless that is the section it belongs to.
fn push(out: &mut String, text: &str) {
    let before = out.lines().last().unwrap_or(":").trim_start();
    let is_section = before.ends_with(':') && !before.starts_with('#');
    if text.trim_start().starts_with("# ") && !is_section {
        out.push('\n');
    }
    out.push_str(text);
}

/// A comment of lines that are not too long.
fn comment(indent: &str, text: &str) -> String {
    let mut out = String::new();
    let mut line = format!("{indent}#");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = format!("{indent}#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out + &line + "\n"
}

/// The range of a setting that has one, as a sentence.
fn range(kind: Kind) -> String {
    match kind {
        Kind::Int(..) | Kind::Number(..) | Kind::Duration(..) | Kind::Bytes(..) => {
            kind.to_string().replacen("a ", " A ", 1) + "."
        }
        _ => String::new(),
    }
}

/// What every collector has, told once.
fn common_settings() -> String {
    let tell = |setting: &Setting| {
        let Setting { key, about, kind, .. } = *setting;
        let (range, variable) = (range(kind), collector_variable("<NAME>", key));
        String::from("#\n") + &comment("", &format!("{key}: {about}{range} Environment: {variable}."))
    };
    COLLECTOR.iter().map(tell).collect()
}

/// Where a value was said, as a comment.
fn origin(value: &Value) -> String {
    match layer::origin(value) {
        origin if origin.starts_with(DEFAULT) => one_line(origin),
        origin => format!("from {}", one_line(origin)),
    }
}

/// A value as it may be written in the file, but for secrets.
fn shown(kind: Kind, value: &Value) -> String {
    match (&value.kind, kind) {
        (ValueKind::String(_), kind) if kind.is_secret() => text(HIDDEN),
        (ValueKind::String(said), _) => text(said),
        (ValueKind::U64(size), Kind::Bytes(..)) => value::bytes(*size),
        (ValueKind::Table(fields), Kind::Duration(..)) => {
            let field = |name: &str| match fields.get(name).map(|value| &value.kind) {
                Some(ValueKind::U64(number)) => *number,
                _ => 0,
            };
            value::duration(Duration::new(field("secs"), field("nanos") as u32))
        }
        (ValueKind::Table(_), _) => String::from("{}"),
        (ValueKind::Array(items), _) => {
            let items: Vec<String> = items.iter().map(|item| shown(Kind::Text, item)).collect();
            format!("[{}]", items.join(", "))
        }
        (other, _) => other.to_string(),
    }
}

/// A text as YAML: as it is where no reader could take it for anything else, else in quotes.
fn text(said: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@');
    let is_word = said.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
        && said.chars().all(plain)
        && !said.ends_with(':');
    let words = ["true", "false", "yes", "no", "on", "off", "null", "nan", "inf"];
    let is_other = said.parse::<f64>().is_ok() || words.iter().any(|word| said.eq_ignore_ascii_case(word));
    if is_word && !is_other {
        return said.to_owned();
    }
    // JSON leaves the upper control characters as they are, and this ends on a terminal.
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    serde_json::Value::from(said).to_string().chars().map(escaped).collect()
}
