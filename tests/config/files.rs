//! The file itself: where it is found, what is no file, what it looks like, and any text at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hostmeter::collectors::schemas;
use hostmeter::config::{Config, Text, load, render_default, resolve};
use proptest::prelude::*;

use crate::{Said, collectors};

/// What is said of the file at a path, with the path itself as `FILE`.
fn refused(path: &Path) -> String {
    let problems = load(&collectors(), Some(path), &BTreeMap::new(), &[]).expect_err("a problem");
    problems.to_string().replace(&path.display().to_string(), "FILE")
}

fn written(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).expect("a file in a temporary directory");
    path
}

#[test]
fn what_cannot_be_read_is_told_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| refused(&written(&dir, name, bytes));
    assert_eq!(refused(dir.path()), "FILE: expected a file, found a directory (named by --config)");
    assert_eq!(refused(&dir.path().join("none.yaml")), "FILE: no such file (named by --config)");
    assert_eq!(
        file("a", b"agent:\n  name: \xff\n"),
        "FILE:2: not UTF-8; save the file in this encoding (named by --config)"
    );
    let long = vec![b'#'; (1 << 20) + 1];
    assert_eq!(
        file("b", &long),
        "FILE: larger than 1 MiB; this is no configuration of hostmeter (named by --config)"
    );
    let most = written(&dir, "c", &long[1..]);
    assert!(load(&collectors(), Some(&most), &BTreeMap::new(), &[]).is_ok());
    assert_eq!(refused(Path::new("/dev/zero")), file("b", &long));
}

#[test]
fn an_unreadable_file_does_not_hide_the_other_problems() {
    let environment = BTreeMap::from([("LOG_LEVEL".to_owned(), "loud".to_owned())]);
    let problems = load(&collectors(), Some(Path::new("/none.yaml")), &environment, &[]).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "/none.yaml: no such file (named by --config)\n\
         environment variable LOG_LEVEL: agent.log_level: expected off, error, warn, info, debug or trace, found \"loud\""
    );
}

#[test]
fn the_file_is_the_one_that_is_named_first() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| written(&dir, name, format!("agent: {{name: {name}}}").as_bytes());
    let (flag, own, older) = (file("flag"), file("own"), file("older"));
    let mut environment = BTreeMap::new();
    let mut found = |named: Option<&Path>, variable: &str, path: &Path| {
        environment.insert(variable.to_owned(), path.display().to_string());
        let loaded = load(&collectors(), named, &environment, &[]).unwrap();
        (loaded.config.agent.name.unwrap(), loaded.file.unwrap())
    };
    assert_eq!(found(None, "SC_AGENT_CONFIG", &older), ("older".to_owned(), older.clone()));
    assert_eq!(found(None, "HOSTMETER_CONFIG", &own), ("own".to_owned(), own));
    assert_eq!(found(Some(&flag), "HOSTMETER_CONFIG", &older), ("flag".to_owned(), flag.clone()));
    environment.insert("HOSTMETER_CONFIG".to_owned(), "/none.yaml".to_owned());
    let problems = load(&collectors(), None, &environment, &[]).unwrap_err();
    assert_eq!(problems.to_string(), "/none.yaml: no such file (named by HOSTMETER_CONFIG)");
}

fn from(text: &str, all: &[hostmeter::config::CollectorSchema]) -> Config {
    let text = Text { name: "hostmeter.yaml", text };
    resolve(all, Some(text), &BTreeMap::new(), &[]).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// The text with every key set that is commented out: those with a `#` directly before them.
fn uncommented(text: &str) -> String {
    let line = |line: &str| {
        let key = line
            .trim_start()
            .strip_prefix('#')
            .filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()));
        key.map_or_else(|| line.to_owned(), |key| line[..line.len() - key.len() - 1].to_owned() + key)
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_annotated_file_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hostmeter.yaml");
    let rendered = render_default(&schemas());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &rendered).unwrap();
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stands == rendered,
        "config/hostmeter.yaml is not what the tables say; UPDATE=1 cargo test writes it"
    );
}

#[test]
fn the_annotated_file_means_the_defaults_as_it_stands_and_without_its_comment_marks() {
    for all in [schemas(), collectors()] {
        let rendered = render_default(&all);
        let set = uncommented(&rendered);
        assert!(set.contains("\n  port: 9464\n") && !rendered.contains("\n  port: 9464\n"));
        assert_eq!(from(&rendered, &all), from("", &all));
        assert_eq!(from(&set, &all), from("", &all));
        // A list stays on its line, so that removing one `#` sets it.
        let long = |line: &&str| line.len() > 110 && !line.trim_start().starts_with('#');
        let long = rendered.lines().find(|line| long(line) || (line.len() > 110 && !line.ends_with(']')));
        assert_eq!(long, None, "a line that is too long");
    }
}

#[test]
fn the_resolved_tree_is_a_file_that_means_the_same() {
    let said = Said::file(
        "agent: {name: 'a: b', labels: {x: 'true', y: '', z: \"a\\\"b\\n# c\", '9': '1'}}
otlp: {endpoint: 'https://[::1]:4317', interval: 90, timeout: 1500ms}
queue: {memory_limit: 3000000}
collectors: {process: {owners: [root, '1000', 'a, b'], attributes: {process.owner: true}, cache: {age: 0.25}}}
",
    );
    let problems = said.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let said = Said::file(
        "agent: {name: 'a: b', labels: {x: 'true', y: '', z: \"a\\\"b\\n# c\"}}
otlp: {endpoint: 'https://[::1]:4317', interval: 90, timeout: 1500ms}
queue: {memory_limit: 3000000}
resource_limits: {cpu_percent: 0.5}
collectors: {process: {owners: [root, '1000', 'a, b'], attributes: {process.owner: true}, cache: {age: 0.25}}}
",
    );
    let loaded = said.load().unwrap();
    assert_eq!(from(loaded.show(), &collectors()), loaded.config);
}

/// YAML that is often nearly right: sections and keys there are, with values of every kind.
fn nearly_right() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "agent|prometheus|otlp|queue|collectors|cpu|process|labels|headers|metrics|interval|port|cache|age",
        r"[ \t\n:{}\[\],&*!|>'#%@`~-]{1,3}",
        "[0-9a-z.:/@%]{0,6}",
        "true|null|15s|8MiB|http://a:1|system.cpu.time|<<|\\PC",
    ];
    prop::collection::vec(prop_oneof![word, Just(": ".to_owned()), Just("\n  ".to_owned())], 0..40)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_panics_the_loader(file in prop_oneof![any::<String>(), nearly_right()], value in any::<String>()) {
        let text = Text { name: "hostmeter.yaml", text: &file };
        let variables = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_METRICS_EXPORTER", "OTEL_METRIC_EXPORT_INTERVAL", "HOSTMETER_QUEUE__MEMORY_LIMIT", "HOSTMETER_X"];
        let environment = BTreeMap::from(variables.map(|name| (name.to_owned(), value.clone())));
        match resolve(&collectors(), Some(text), &environment, &[]) {
            Ok(loaded) => prop_assert!(!loaded.show().is_empty()),
            Err(problems) => for problem in problems.iter() {
                let told = problem.to_string();
                prop_assert!(!told.contains(|c: char| c.is_control()), "{told:?}");
            }
        }
    }

    #[test]
    fn what_is_shown_loads_again(name in any::<String>(), label in any::<String>(), seconds in 1_u32..3600) {
        let environment = BTreeMap::new();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let file = format!("agent: {{name: {}, labels: {{a: {}}}}}\notlp: {{interval: {seconds}}}", quoted(&name), quoted(&label));
        let text = Text { name: "hostmeter.yaml", text: &file };
        if let Ok(loaded) = resolve(&collectors(), Some(text), &environment, &[]) {
            prop_assert_eq!(&from(loaded.show(), &collectors()), &loaded.config);
            prop_assert_eq!(loaded.config.agent.name.unwrap_or_default(), name.trim());
        } else {
            prop_assert!(false, "{file}");
        }
    }
}
