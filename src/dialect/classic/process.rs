//! The processes that are shown alone. Groups and the remainder have no pid, and psutil knows none of them.

use crate::metric::{Attribute, Attributes, Entity, Metric, Point, Reading, ValueType::Double};

use super::super::{Table, Told};
use super::{attribute, points};

const BY: &[Attribute] = &[Attribute::open("pid"), Attribute::open("name"), Attribute::open("user")];

static CPU: Metric = Metric::gauge("process_cpu_percent", "", Double)
    .about("CPU time that the process used, in percent of one CPU: with several threads it may be above 100")
    .by(BY)
    .from("psutil.Process.cpu_percent");
static MEMORY: Metric = Metric::updown("process_memory_bytes", "")
    .about("Physical memory of the process (resident set size)")
    .by(BY)
    .from("psutil.Process.memory_info().rss");
static RUNTIME: Metric = Metric::gauge("process_runtime_seconds", "", Double)
    .about("Time since the process started, in seconds")
    .by(BY)
    .from("psutil.Process.create_time");

pub(super) static PROCESS: Table = Table {
    collector: "process",
    name: "classic/process",
    metrics: &[&CPU, &MEMORY, &RUNTIME],
    sources: &["process.cpu.utilization", "process.memory.usage", "process.uptime"],
    tell: process,
};

fn process(told: &Told<'_>, out: &mut Reading) {
    let labels: Vec<Option<Attributes>> = told.reading.entities.iter().map(labels).collect();
    let of = |point: &Point| labels.get(point.entity? as usize)?.clone();
    let cpus =
        told.snapshot.readings.iter().find_map(|reading| points(reading, "system.cpu.logical.count").next());
    let cpus = cpus.map_or(told.about.cpus as f64, |point| point.value.as_f64());
    // User and system are two points, one after the other.
    let mut sums: Vec<Option<f64>> = vec![None; labels.len()];
    for point in told.points("process.cpu.utilization") {
        if let Some(sum) = point.entity.and_then(|entity| sums.get_mut(entity as usize)) {
            *sum = Some(sum.unwrap_or(0.0) + point.value.as_f64());
        }
    }
    for (labels, share) in labels.iter().zip(sums) {
        if let (Some(labels), Some(share)) = (labels, share) {
            out.push(&CPU, labels.clone(), 100.0 * share * cpus);
        }
    }
    for (from, to) in [("process.memory.usage", &MEMORY), ("process.uptime", &RUNTIME)] {
        for point in told.points(from) {
            if let Some(labels) = of(point) {
                out.push(to, labels, point.value);
            }
        }
    }
}

fn labels(entity: &Entity) -> Option<Attributes> {
    let of = |name| attribute(&entity.attributes, name).cloned();
    let name = entity.title.as_ref().map(Into::into).or_else(|| of("process.executable.name"));
    let mut labels: Attributes = vec![("pid", of("process.pid")?), ("name", name?)];
    labels.extend(of("process.owner").map(|owner| ("user", owner)));
    Some(labels)
}
