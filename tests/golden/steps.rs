//! Hosts that change: `tests/steps/<collector>-<what happens>/0.txtar`, `1.txtar` and so on are laid over each
//! other, ten seconds apart, and `expected.txt` is what the collector reads of the first and what is different
//! with each of the others.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use hostmeter::collectors::Spec;
use hostmeter::host::is_root;

use super::machine::Machine;
use super::{compare, support, text};

/// Off by default, and there only where something was read before.
const BETWEEN_TWO: [&str; 2] = ["system.linux.cpu.core.utilization", "container.cpu.usage"];

#[test]
fn every_host_that_changes() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/steps");
    let names = std::fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    let failed = names.iter().filter(|name| std::panic::catch_unwind(|| case(name)).is_err()).count();
    assert_eq!(failed, 0, "of {} cases", names.len());
}

fn case(name: &str) {
    if name == "process-changes-its-user" && !is_root() {
        // Straight to the standard error, because the test runner keeps what it prints of a test that passes.
        let text = format!("NOT CHECKED: {name}, because only root can give a file to another user.\n");
        return std::io::stderr().write_all(text.as_bytes()).unwrap();
    }
    let root = tempfile::tempdir().unwrap();
    let collector = name.split('-').next().unwrap();
    let state = |number| format!("steps/{name}/{number}.txtar");
    support::apply(root.path(), &state(0));
    let wanted = |spec: &Spec| (spec.name == collector).then_some("{}");
    let mut machine =
        Machine::new(root.path(), wanted, |metric| metric.default || BETWEEN_TWO.contains(&metric.name));
    let mut shown = String::new();
    let mut before = Vec::new();
    for number in 0.. {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(state(number));
        if !file.exists() {
            break;
        }
        if number > 0 {
            support::apply(root.path(), &state(number));
        }
        let now = text::points(&machine.read());
        let lines = if number == 0 { text::all(&now) } else { text::changes(&before, &now) };
        let _ = writeln!(shown, "-- {number} --\n{lines}");
        before = now;
    }
    compare(&format!("steps/{name}/expected.txt"), &shown, root.path());
}
