//! The rules of the house, as checks.

#![allow(clippy::unwrap_used, reason = "what panics in a test is what the test found")]

use std::path::{Path, PathBuf};

/// The floors of `lib.rs`: a file may use its own floor and what is below it.
const FLOORS: &[(&str, u8)] = &[
    ("host", 0),
    ("confine", 0),
    ("metric", 1),
    ("stats", 1),
    ("queue", 1),
    ("systemd", 1),
    ("supervise", 2),
    ("config", 2),
    ("history", 2),
    ("collectors", 3),
    ("sampler", 4),
    ("dialect", 5),
    ("instruments", 5),
    ("lane", 6),
    ("resource", 6),
    ("export", 7),
    ("agent", 8),
    ("cli", 9),
];

/// Who may open files: the host's floor, the queue's storage, the configuration's loader, and what reads
/// certificates and tokens again when others have renewed them.
const MAY_OPEN_FILES: &[&str] =
    &["src/host/", "src/queue/storage", "src/config/file.rs", "src/export/files.rs"];

const OPENS_FILES: &[&str] = &["std::fs", "fs::File", "File::open", "OpenOptions", "tokio::fs", "rustix::fs"];

const LONGEST: usize = 400;

fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join(directory)];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && path.ends_with("target") {
                // What `cargo fuzz` builds.
            } else if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path.strip_prefix(root).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} file in {directory}");
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The program without its unit tests and comments, which may look wherever they like.
fn program(path: &Path) -> String {
    if path.ends_with("tests.rs") || path.ends_with("fixture.rs") {
        return String::new();
    }
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn module(path: &Path) -> String {
    let part = path.components().nth(1).unwrap().as_os_str().to_string_lossy().into_owned();
    part.trim_end_matches(".rs").to_owned()
}

/// The modules of this crate that a text names.
fn used(text: &str) -> Vec<String> {
    let grouped = text.match_indices("crate::{").flat_map(|(at, start)| {
        let inside = &text[at + start.len()..];
        let mut depth = 0;
        let mut parts = vec![String::new()];
        for c in inside.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => parts.push(String::new()),
                _ if depth == 0 => parts.last_mut().unwrap().push(c),
                _ => {}
            }
        }
        parts
    });
    let plain = text.match_indices("crate::").map(|(at, start)| text[at + start.len()..].to_owned());
    let name = |text: String| -> String {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    grouped.chain(plain).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_lower_floor_knows_no_higher_one() {
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let own = module(&path);
        if own == "lib" || own == "main" {
            continue;
        }
        let own_floor = floor(&own).unwrap_or_else(|| panic!("{own} has no floor in tests/tidy.rs"));
        for other in used(&program(&path)) {
            if floor(&other).is_some_and(|other_floor| other_floor > own_floor) {
                wrong.push(format!("{}: uses {other}, which is above {own}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_of_the_floors_sees_what_it_has_to() {
    assert_eq!(used("use crate::{agent, host::{Error, Host}, lane};"), ["agent", "host", "lane"]);
    assert_eq!(used("let x = crate::export::otlp::run();"), ["export"]);
}

#[test]
fn only_four_places_open_files() {
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let shown = path.display().to_string();
        if MAY_OPEN_FILES.iter().any(|allowed| shown.starts_with(allowed)) {
            continue;
        }
        let text = program(&path);
        wrong.extend(
            OPENS_FILES.iter().filter(|what| text.contains(**what)).map(|what| format!("{shown}: {what}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_runs_a_program() {
    for path in files("src", "rs") {
        assert!(!program(&path).contains("process::Command"), "{} runs a program", path.display());
    }
}

#[test]
fn no_file_is_too_long() {
    let all = files("src", "rs").into_iter().chain(files("tests", "rs")).chain(files("tests", "py"));
    let long: Vec<_> = all
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "split by job:\n{}", long.join("\n"));
}

#[test]
fn the_median_file_is_short() {
    let mut lines: Vec<_> = files("src", "rs").iter().map(|path| read(path).lines().count()).collect();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median < 200, "the median file of src has {median} lines");
}

#[test]
fn nothing_is_left_undone_or_silenced() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("], ["#[ig", "nore"]];
    let mut found = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        for (at, line) in read(&path).lines().enumerate() {
            if marks.iter().any(|mark| line.contains(&mark.concat())) {
                found.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
