//! What is fuzzed: everything that reads bytes which somebody else wrote, each behind one function of bytes.
//!
//! The collectors run whole, on a host made of files of which one is the input, so that a pass says more than
//! "nothing panicked": every point keeps the type, the range and the attributes of its table. `tests/parsers.rs`
//! runs the same functions in `cargo test`.

#[path = "../../support/check.rs"]
mod check;
mod host;
#[path = "../../support/txtar.rs"]
mod txtar;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hostmeter::collectors::{ALL, Context, Section, Spec, every, schemas};
use hostmeter::config::{Text, resolve};
use hostmeter::host::Host;
use hostmeter::host::identity::Identity;
use hostmeter::metric::Reading;
use hostmeter::resource::{Given, Resource};
use hostmeter::stats::Stats;

pub use host::{FILES, IDENTITY, Machine, files};

/// Reads a machine with one collector: as it is, with one file replaced by the input, and as it was.
///
/// The first byte says which file, the second which of the collector's settings.
pub fn collector(name: &str, data: &[u8]) {
    let [file, settings, input @ ..] = data else { return };
    let spec = ALL.iter().find(|spec| spec.name == name).expect("a collector");
    let files = files(name);
    let path = files[usize::from(*file) % files.len()];
    Machine::with(|machine| {
        let host = machine.host();
        let stats: Arc<Stats> = Arc::default();
        let context = Context { host: &host, stats: &stats };
        let mut collector = (spec.build)(&section(spec, *settings), &context).expect("valid settings");
        let mut read = |host: &Host| {
            let ceiling = collector.ceiling();
            let mut out = Reading::new(spec.name, spec.metrics, |_| true, ceiling, host.boot_time);
            // A collector that gives up is good; one that gives nonsense is not.
            let _ = collector.collect(host, &mut out);
            check::points(path, &out, &mut HashMap::new());
        };
        read(&host);
        machine.write(path, input);
        read(&host);
        // A host whose /proc/stat cannot be read is refused at the start.
        if let Ok(host) = Host::at(host.root()) {
            read(&host);
        }
        machine.restore(path);
        read(&host);
    });
}

/// The section of a collector's settings, which takes longer to make than all the rest.
fn section(spec: &'static Spec, choice: u8) -> Section {
    thread_local!(static MADE: RefCell<HashMap<(&'static str, u8), Section>> = RefCell::default());
    let make = || spec.section(settings(spec.name, choice)).expect("valid settings");
    MADE.with_borrow_mut(|made| made.entry((spec.name, choice)).or_insert_with(make).clone())
}

/// Some settings of a collector that read more than the defaults do.
fn settings(name: &str, choice: u8) -> &'static str {
    match (name, choice % 4) {
        ("container", 1..) => "{scope: cgroup}",
        ("cpu", 1..) => "{per_core: true}",
        ("disk", 1..) => "{partitions: true, exclude: []}",
        ("filesystem", 1..) => "{exclude_types: [], exclude_mounts: []}",
        ("process", 1) => "{view: groups, group_by: cgroup, max_groups: 2, command_line: keys_only}",
        ("process", 2) => {
            "{view: groups, group_by: rules, rules: ['a: name=. owner=.', 'b: arguments=x cgroup=y executable=z']}"
        }
        ("process", 3) => {
            "{view: all, ceiling: 3, command_line: scrubbed, attributes: [process.command, process.parent_pid, \
             process.executable.path, process.linux.cgroup, container.id]}"
        }
        _ => "{}",
    }
}

/// Finds out who a machine is of which one file is the input; the first byte says which.
pub fn identity(data: &[u8]) {
    let [file, content @ ..] = data else { return };
    let path = IDENTITY[usize::from(*file) % IDENTITY.len()];
    Machine::with(|machine| {
        machine.write(path, content);
        let host = machine.host();
        let identity = Identity::read(&host);
        assert!(identity.machine_id.is_none_or(|id| id.len() == 32));
        let resource = Resource::detect(&host, &Given::default(), |_| None);
        assert!(resource.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        machine.restore(path);
    });
}

/// Reads the input as a configuration file, and builds what it asks for.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let nothing = BTreeMap::<String, String>::new();
    let file = Text { name: "fuzz.yaml", text };
    match resolve(&schemas(), Some(file), &nothing, &[]) {
        Ok(loaded) => {
            assert!(!loaded.show().is_empty());
            // What is shown is a configuration again, and the same one.
            let shown = Text { name: "shown.yaml", text: loaded.show() };
            let again = resolve(&schemas(), Some(shown), &nothing, &[]);
            if !loaded.show().contains("***") {
                let again = again.unwrap_or_else(|problems| panic!("{problems}\n{}", loaded.show()));
                assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
            }
            build(&loaded.config.collectors);
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

fn build(collectors: &BTreeMap<String, hostmeter::config::CollectorConfig>) {
    Machine::with(|machine| {
        let host = machine.host();
        let stats: Arc<Stats> = Arc::default();
        let context = Context { host: &host, stats: &stats };
        for (name, collector) in collectors {
            let spec: &Spec = every().find(|spec| spec.name == name).expect("a collector");
            let _ = (spec.build)(&Section(collector.settings.clone()), &context);
        }
    });
}

/// Reads the input as environment variables, `NAME=value` a line.
pub fn environment(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let environment: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match resolve(&schemas(), None, &environment, &[]) {
        Ok(loaded) => assert!(!loaded.show().is_empty()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}
