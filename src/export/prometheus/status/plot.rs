//! Lines and areas as paths of SVG, in units of the plot: a second is 1 wide, and the height is [`HEIGHT`],
//! about twice as many as it has pixels.

use std::fmt::Write;

use crate::history::{GAP, SPAN};

/// Zero is at the bottom, which is this far down.
pub(super) const HEIGHT: f64 = 250.0;

/// What one reading stands for where there is none before it.
const ALONE: f64 = 5.0;

/// Values by the seconds that they are ago, oldest first.
pub(super) type Values = Vec<(f64, f64)>;

/// A line; empty where there is nothing.
pub(super) fn line(values: &Values, top: f64) -> String {
    let mut path = String::new();
    for run in runs(values) {
        begin(&mut path, run, top);
    }
    path
}

/// The same, filled down to zero.
pub(super) fn area(values: &Values, top: f64) -> String {
    let mut path = String::new();
    for run in runs(values) {
        let (x, _) = begin(&mut path, run, top);
        // Writing to a string cannot fail.
        let _ = write!(path, "V{HEIGHT}H{x}z");
    }
    path
}

/// The values without what is missing in between for too long.
fn runs(values: &Values) -> impl Iterator<Item = &[(f64, f64)]> {
    values.chunk_by(|before, after| before.0 - after.0 <= GAP.as_secs_f64())
}

/// Draws one run from left to right, and says where it began. What is older than the span ends at negative places,
/// which the plot cuts off.
fn begin(path: &mut String, run: &[(f64, f64)], top: f64) -> (i64, i64) {
    let place = |(ago, value): (f64, f64)| {
        let x = (SPAN.as_secs_f64() - ago).clamp(-1e4, 1e4);
        let share = if top > 0.0 { value / top } else { 0.0 };
        (x.round() as i64, (HEIGHT * (1.0 - share.clamp(0.0, 1.0))).round() as i64)
    };
    let Some(first) = run.first() else { return (0, 0) };
    let start = place((first.0 + ALONE, first.1));
    let _ = write!(path, "M{} {}", start.0, start.1);
    let mut pen = start;
    for (number, &point) in run.iter().enumerate() {
        let next = place(point);
        // What goes on straight needs no point of its own.
        let level = |other: Option<(i64, i64)>| other.is_some_and(|(_, y)| y == next.1);
        if level(Some(pen)) && level(run.get(number + 1).copied().map(place)) {
            continue;
        }
        // Steps are shorter than places, and taken between rounded places they do not drift.
        let _ =
            write!(path, "l{}{}{}", next.0 - pen.0, if next.1 < pen.1 { "" } else { " " }, next.1 - pen.1);
        pen = next;
    }
    start
}

/// Each line on top of the ones before it. A moment at which one of them is unknown is left out of all.
pub(super) fn stack(lines: &[Values]) -> Vec<Values> {
    let Some(first) = lines.first() else { return Vec::new() };
    let at = |values: &Values, ago: f64| {
        let same = |known: &&(f64, f64)| known.0.to_bits() == ago.to_bits();
        values.iter().find(same).map(|(_, value)| *value)
    };
    // A line without any value is one that this kernel does not have.
    let known = |lines: &[Values], ago| lines.iter().filter(|l| !l.is_empty()).all(|l| at(l, ago).is_some());
    let longest = lines.iter().max_by_key(|line| line.len()).unwrap_or(first);
    let moments: Vec<f64> = longest.iter().map(|(ago, _)| *ago).filter(|ago| known(lines, *ago)).collect();
    let sum = |upto: usize, ago| lines[..upto].iter().filter_map(|line| at(line, ago)).sum();
    (1..=lines.len()).map(|upto| moments.iter().map(|ago| (*ago, sum(upto, *ago))).collect()).collect()
}

/// The end of an axis that holds `highest`: 1, 2 or 5 of a unit, or its tenfold or hundredfold, and at least `least`.
/// A unit is `thousand` of the one below.
pub(super) fn top(highest: f64, least: f64, thousand: f64) -> f64 {
    let wanted = if highest.is_finite() { highest.max(least) } else { least };
    let mut unit = 1.0;
    while wanted > 500.0 * unit && unit < 1e24 {
        unit *= thousand;
    }
    let steps =
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1024.0];
    steps.into_iter().map(|step| step * unit).find(|top| *top >= wanted).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_broken_where_nobody_looked() {
        let values = vec![(590.0, 1.0), (580.0, 0.5), (300.0, 0.0), (290.0, 1.0)];
        assert_eq!(line(&values, 1.0), "M5 0l5 0l10 125M295 250l5 0l10-250");
        assert_eq!(area(&values[..1].to_vec(), 2.0), "M5 125l5 0V250H5z");
        assert_eq!(line(&Vec::new(), 1.0), "");
        let level: Values = (0..50).rev().map(|ago| (f64::from(ago), 1.0)).collect();
        assert_eq!(line(&level, 1.0), "M546 0l54 0");
    }

    #[test]
    fn a_stack_leaves_out_what_is_known_in_part() {
        let lines = [vec![(2.0, 1.0), (1.0, 1.0)], vec![(1.0, 2.0)], vec![]];
        assert_eq!(stack(&lines), [vec![(1.0, 1.0)], vec![(1.0, 3.0)], vec![(1.0, 3.0)]]);
    }

    #[test]
    fn an_axis_ends_at_a_number_that_people_like() {
        let kibibytes = |highest| (top(highest, 1024.0, 1024.0) / 1024.0) as u64;
        assert_eq!([0.0, f64::NAN, 1500.0, 600.0 * 1024.0].map(kibibytes), [1, 1, 2, 1024]);
        let percent = |highest| (top(highest, 0.05, 1000.0) * 100.0).round() as u64;
        assert_eq!([0.0, 0.011, 0.3, 1.0, 1.2].map(percent), [5, 5, 50, 100, 200]);
    }

    proptest! {
        #[test]
        fn no_value_breaks_a_path(
            values in prop::collection::vec((-1e9..1e9_f64, prop_oneof![-1e12..1e12_f64, Just(f64::MAX)]), 0..30),
            highest in prop_oneof![-1e12..1e30_f64, Just(f64::NAN), Just(f64::INFINITY)],
        ) {
            let top = top(highest, 1.0, 1024.0);
            prop_assert!(top.is_finite() && top >= 1.0);
            for path in [line(&values, top), area(&values, top)] {
                let known = |c: char| c.is_ascii_digit() || "Ml VHz-".contains(c);
                prop_assert!(path.chars().all(known), "{}", path);
            }
        }
    }
}
