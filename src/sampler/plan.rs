//! Which collectors there are to be, with which settings: what a reload changes.

use ::config::{ConfigError, Value, ValueKind};

use crate::collectors::{Collector, Context, Section};

use super::{Source, Wanted};

/// A slot as a configuration wants it.
pub(super) struct Planned {
    /// An id of the plan before says that the collector goes on.
    pub id: u64,
    pub source: Source,
    pub ceiling: usize,
    /// None where the one that has this id goes on.
    pub collector: Option<Box<dyn Collector>>,
}

/// What is remembered of a slot, to compare the next configuration with.
pub(super) struct Known {
    id: u64,
    source: Source,
    ceiling: usize,
}

impl Known {
    pub(super) fn is_of(&self, collector: &str) -> bool {
        self.source.spec.name == collector
    }
}

/// Builds what is new, and keeps the collectors whose own settings stay as they are: what they remember is
/// the counters of groups, and the reading before that rates begin with. `next` is the first id that is free.
pub(super) fn make(
    sources: Vec<Source>,
    before: &[Known],
    mut next: u64,
    context: &Context<'_>,
) -> Result<Vec<Planned>, ConfigError> {
    let plan = sources.into_iter().map(|source| {
        let same = |known: &&Known| {
            std::ptr::eq(known.source.spec, source.spec) && same(&known.source.section, &source.section)
        };
        if let Some(known) = before.iter().find(same) {
            return Ok(Planned { id: known.id, source, ceiling: known.ceiling, collector: None });
        }
        let collector = source.build(context)?;
        next += 1;
        Ok(Planned { id: next - 1, source, ceiling: collector.ceiling(), collector: Some(collector) })
    });
    plan.collect()
}

/// What is remembered of a plan.
pub(super) fn known(plan: &[Planned]) -> Vec<Known> {
    let known = |planned: &Planned| Known {
        id: planned.id,
        source: planned.source.clone(),
        ceiling: planned.ceiling,
    };
    plan.iter().map(known).collect()
}

/// The first id that no plan so far has given.
pub(super) fn next_id(known: &[Known], before: u64) -> u64 {
    known.iter().map(|known| known.id + 1).max().unwrap_or(0).max(before)
}

/// Every metric of a plan.
pub(super) fn wanted(plan: &[Planned]) -> Vec<Wanted> {
    let of = |planned: &Planned| -> Vec<Wanted> {
        let metrics = planned.source.spec.metrics.iter().filter(|metric| planned.source.enabled(metric));
        metrics.map(|&metric| Wanted { metric, ceiling: planned.ceiling }).collect()
    };
    plan.iter().flat_map(of).collect()
}

/// Whether two sections say the same, wherever they say it: a line that has moved changes nothing.
fn same(one: &Section, other: &Section) -> bool {
    one.0.len() == other.0.len()
        && one.0.iter().all(|(key, value)| other.0.get(key).is_some_and(|other| same_value(value, other)))
}

fn same_value(one: &Value, other: &Value) -> bool {
    match (&one.kind, &other.kind) {
        (ValueKind::Table(one), ValueKind::Table(other)) => {
            let found = |key, value| other.get(key).is_some_and(|other| same_value(value, other));
            one.len() == other.len() && one.iter().all(|(key, value)| found(key, value))
        }
        (ValueKind::Array(one), ValueKind::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::ALL;

    #[test]
    fn sections_are_the_same_wherever_they_stand() {
        let process = ALL.iter().find(|spec| spec.name == "process").unwrap();
        let section = |yaml| process.section(yaml).unwrap();
        let top = section("{top_n: 5, include: [a, b]}");
        assert!(same(&top, &section("{\n\n  include: [a, b], top_n: 5}")));
        assert!(!same(&top, &section("{top_n: 6, include: [a, b]}")));
        assert!(!same(&top, &section("{top_n: 5, include: [a]}")));
        assert!(!same(&top, &section("{}")));
    }
}
