//! The configuration as an operator meets it: what holds, where it comes from, and what is said when it is
//! wrong.

mod files;
mod import;
mod layers;
mod problems;

use std::collections::BTreeMap;
use std::time::Duration;

use hostmeter::config::{CollectorSchema, Config, Kind, Loaded, Override, Problems, Setting, Text, resolve};

static PROCESS: [Setting; 5] = [
    Setting::new("top_n", Kind::Int(0, 1000), "20", "How many are shown."),
    Setting::new("owners", Kind::List, "[]", "Only these."),
    Setting::new("attributes", Kind::Switches, "{}", "More of them."),
    Setting::new("cache.age", Kind::Duration(Duration::ZERO, Duration::from_hours(1)), "1m", "How long."),
    Setting::new("cache.limit", Kind::Bytes(0, 1 << 30), "64KiB", "How much."),
];

/// Two collectors of this test's own, so that the messages do not change with the real ones.
fn collectors() -> Vec<CollectorSchema> {
    let cpu = vec![("system.cpu.time", true), ("system.cpu.frequency", false)];
    let process = vec![("process.cpu.time", true)];
    vec![
        CollectorSchema { name: "cpu", about: "Processors.", settings: &[], enabled: true, metrics: cpu },
        CollectorSchema {
            name: "process",
            about: "Processes.",
            settings: &PROCESS,
            enabled: true,
            metrics: process,
        },
    ]
}

/// What is said in the three places.
#[derive(Default)]
struct Said {
    file: &'static str,
    environment: BTreeMap<String, String>,
    overrides: Vec<Override>,
}

impl Said {
    fn file(file: &'static str) -> Self {
        Self { file, ..Self::default() }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.overrides.push(Override { flag: flag.into(), key: key.into(), value: value.into() });
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        let text = Text { name: "hostmeter.yaml", text: self.file };
        resolve(&collectors(), Some(text), &self.environment, &self.overrides)
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}")).config
    }

    fn problems(&self) -> Vec<String> {
        let Err(problems) = self.load() else { panic!("a problem") };
        assert_eq!(problems.to_string().lines().count(), problems.iter().count());
        problems.to_string().lines().map(String::from).collect()
    }

    /// The line of `hostmeter config show` for a key that stands once.
    fn shown(&self, key: &str) -> String {
        let loaded = self.load().unwrap_or_else(|problems| panic!("{problems}"));
        let mut lines = loaded.show().lines().filter(|line| line.trim_start().starts_with(key));
        lines.next().unwrap_or_default().trim().to_owned()
    }
}
