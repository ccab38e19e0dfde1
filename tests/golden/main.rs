//! What the collectors read, to the last point: of the fixture hosts, and of hosts that change from one
//! reading to the next. The expected texts are for people to read; `UPDATE=1 cargo test --test golden` writes
//! them anew, and then the diff is to be read.

// Marked, because clippy takes functions that are not tests themselves for code that may not unwrap.
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod text;

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

/// Whether the texts are to be written.
#[cfg(test)]
fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Compares a text with the one in `tests/<path>`, or writes it there. Where it tells a path of this machine,
/// that is below the root of the fixture.
#[cfg(test)]
fn compare(path: &str, found: &str, root: &Path) {
    let found = found.replace(&root.display().to_string(), "<root>");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path);
    if updating() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = |(expected, found): (&str, &str)| expected != found;
    if expected != found {
        let mut lines = expected.lines().zip(found.lines());
        let at = lines.position(differs).unwrap_or(expected.lines().count().min(found.lines().count()));
        let line = |text: &str| text.lines().nth(at).unwrap_or("the end").to_owned();
        panic!(
            "{path}:{}: expected\n  {}\nfound\n  {}\nWhere that is right: UPDATE=1 cargo test --test golden",
            at + 1,
            line(&expected),
            line(&found)
        );
    }
}
