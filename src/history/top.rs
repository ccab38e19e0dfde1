//! The processes that use most.

use crate::metric::{Entity, Series, Snapshot};

use super::growth::{find, str};

/// How many are kept.
const KEPT: usize = 10;

/// How much of a name is kept, in characters.
const NAME: usize = 64;

/// A process, or a group of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its executable, or what the group has in common.
    pub name: String,
    /// None for a group.
    pub pid: Option<String>,
    /// Who it belongs to, where that is known.
    pub owner: Option<String>,
    /// Share of all CPUs between the last two readings; none at the first.
    pub cpu: Option<f64>,
    /// Bytes of physical memory.
    pub memory: Option<f64>,
}

/// Those that used most CPU, and among equals those with most memory; without the remainder.
pub(super) fn processes(snapshot: &Snapshot) -> Vec<Process> {
    let memory = find(snapshot, "process.memory.usage");
    let cpu = find(snapshot, "process.cpu.utilization");
    let Some((reading, _)) = memory.or(cpu) else { return Vec::new() };
    let mut used: Vec<(usize, Option<f64>, Option<f64>)> =
        (0..reading.entities.len()).map(|place| (place, None, None)).collect();
    if let Some((_, series)) = cpu {
        sum(series, &mut used, |entry| &mut entry.1);
    }
    if let Some((_, series)) = memory {
        sum(series, &mut used, |entry| &mut entry.2);
    }
    let rank = |value: Option<f64>| value.unwrap_or(-1.0);
    used.retain(|(place, ..)| !is_remainder(&reading.entities[*place]));
    used.sort_by(|a, b| rank(b.1).total_cmp(&rank(a.1)).then(rank(b.2).total_cmp(&rank(a.2))));
    used.truncate(KEPT);
    let process = |(place, cpu, memory): (usize, Option<f64>, Option<f64>)| {
        let entity = &reading.entities[place];
        let known = |name| Some(attribute(entity, name)).filter(|text| !text.is_empty());
        let name =
            known("process.executable.name").or_else(|| Some(entity.attributes.first()?.1.to_string()));
        Process {
            name: name.unwrap_or_default(),
            pid: known("process.pid"),
            owner: known("process.owner"),
            cpu,
            memory,
        }
    };
    used.into_iter().map(process).collect()
}

fn is_remainder(entity: &Entity) -> bool {
    entity.attributes.iter().any(|(_, text)| str(text) == Some("_other"))
}

type Entry = (usize, Option<f64>, Option<f64>);

fn sum(series: &Series, used: &mut [Entry], value: impl Fn(&mut Entry) -> &mut Option<f64>) {
    for point in &series.points {
        if let Some(entry) = point.entity.and_then(|place| used.get_mut(place as usize)) {
            let value = value(entry);
            *value = Some(value.unwrap_or(0.0) + point.value.as_f64());
        }
    }
}

/// The text of an attribute; empty where the entity has none such.
fn attribute(entity: &Entity, name: &str) -> String {
    let found = entity.attributes.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| text.to_string().chars().take(NAME).collect()).unwrap_or_default()
}
