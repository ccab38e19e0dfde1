//! The rows of `tests/e2e/robust` that need the collectors in one process with whoever looks at them, because a
//! panic is injected, memory is counted, or thousands of cycles are run: `robust mutated|panics|soak [COUNT]`.
//!
//! Prints a line of JSON for each figure. `cargo test --example robust` runs short forms of the same.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what panics here is what the row found")]

#[path = "../../support/check.rs"]
mod check;
mod mutate;
mod mutated;
mod panics;
mod soak;
#[path = "../../support/txtar.rs"]
mod txtar;

use peak_alloc::PeakAlloc;

/// Counts what is allocated.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One figure of a row, as `tests/faults/row.py` has it.
struct Figure {
    what: String,
    promised: String,
    measured: String,
    good: bool,
}

impl Figure {
    fn new(what: &str, promised: impl Into<String>, measured: impl Into<String>, good: bool) -> Self {
        Self { what: what.to_owned(), promised: promised.into(), measured: measured.into(), good }
    }

    fn at_most(what: &str, most: f64, measured: f64, unit: &str) -> Self {
        Self::new(what, format!("<= {most}{unit}"), format!("{measured:.2}{unit}"), measured <= most)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let row = arguments.next().unwrap_or_default();
    let count = arguments.next().map(|count| count.parse().unwrap());
    if row != "soak" {
        // A panic is a figure here, and its text would fill the log.
        std::panic::set_hook(Box::new(|_| ()));
    }
    let figures = match row.as_str() {
        "mutated" => mutated::figures(count.unwrap_or(100_000)),
        "panics" => panics::figures(),
        "soak" => soak::figures(count.unwrap_or(5000)),
        _ => panic!("mutated, panics or soak"),
    };
    for Figure { what, promised, measured, good } in figures {
        let figure =
            serde_json::json!({"what": what, "promised": promised, "measured": measured, "good": good});
        println!("{figure}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(figures: &[Figure]) {
        let wrong: Vec<_> = figures.iter().filter(|figure| !figure.good).collect();
        let shown = wrong.iter().map(|f| format!("{}: {} and not {}", f.what, f.measured, f.promised));
        assert!(wrong.is_empty(), "{}", shown.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn no_mutated_file_makes_a_collector_panic_or_tell_nonsense() {
        // Time and memory of a build without optimization, beside other tests, say nothing.
        good(&mutated::run(2000).correctness());
    }

    #[test]
    fn a_panic_in_any_collector_leaves_the_others_whole() {
        good(&panics::figures());
    }
}
