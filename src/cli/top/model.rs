//! What is on the screen, as data: a snapshot and the one before it, for the rates.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::metric::{Entity, Point, Reading, Snapshot};

/// Bytes each second, of what two directions there are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traffic {
    pub name: String,
    /// Read or received; none before the second reading.
    pub inward: Option<f64>,
    /// Written or sent.
    pub outward: Option<f64>,
}

/// One process, or all that are not shown alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// None for those that are not shown alone.
    pub pid: Option<String>,
    pub name: String,
    pub owner: String,
    /// Share of all CPUs.
    pub cpu: Option<f64>,
    /// Bytes of resident memory.
    pub memory: Option<f64>,
    /// Bytes each second from and to storage, where that may be read.
    pub io: Option<f64>,
}

/// What the table is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Cpu,
    Memory,
    Io,
}

/// Everything that is shown. What could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub host: String,
    pub uptime: Option<Duration>,
    pub load: Vec<f64>,
    pub cpus: Option<f64>,
    /// Shares by mode, but for idle.
    pub cpu: Vec<(String, f64)>,
    /// Bytes by state, but for free.
    pub memory: Vec<(String, f64)>,
    pub memory_limit: Option<f64>,
    /// Bytes in use and in all.
    pub swap: Option<(f64, f64)>,
    /// Bytes in use and in all, by mount point, the fullest first.
    pub filesystems: Vec<(String, f64, f64)>,
    pub disks: Vec<Traffic>,
    pub networks: Vec<Traffic>,
    /// Share of the time since the reading before in which somebody waited, by what for.
    pub pressure: Vec<(&'static str, f64)>,
    pub rows: Vec<Row>,
}

/// What the kernel tells the pressure of.
const PRESSURES: [(&str, &str); 3] = [
    ("cpu", "system.cpu.linux.pressure.total"),
    ("memory", "system.memory.linux.pressure.total"),
    ("io", "system.io.linux.pressure.total"),
];

/// The order in which the parts of a bar stand; others come after them.
const PARTS: [&str; 10] =
    ["user", "nice", "system", "interrupt", "steal", "iowait", "used", "buffers", "cached", "free"];

impl Model {
    /// What two snapshots tell.
    pub(super) fn of(host: &str, now: &Snapshot, before: Option<&Snapshot>) -> Self {
        let look = Look { now, before };
        let share = |name, key| {
            let mut parts = look.by(name, key);
            parts.retain(|(part, _)| part != "idle" && part != "free");
            parts.sort_by_key(|(part, _)| PARTS.iter().position(|known| known == part));
            parts
        };
        let swap = look.by("system.paging.usage", "system.paging.state");
        let used = swap.iter().find(|(state, _)| state == "used").map(|(_, bytes)| *bytes);
        let all: f64 = swap.iter().map(|(_, bytes)| bytes).sum();
        let loads = ["1m", "5m", "15m"].map(|span| look.one(&format!("system.cpu.load_average.{span}")));
        Self {
            host: host.to_owned(),
            uptime: look.one("system.uptime").and_then(|up| Duration::try_from_secs_f64(up).ok()),
            load: loads.into_iter().flatten().collect(),
            cpus: look.one("system.cpu.logical.count"),
            cpu: share("system.cpu.utilization", "cpu.mode"),
            memory: share("system.memory.usage", "system.memory.state"),
            memory_limit: look.one("system.memory.limit"),
            swap: used.map(|used| (used, all)).filter(|_| all > 0.0),
            filesystems: look.filesystems(),
            disks: look.traffic("system.disk.io", "system.device", "disk.io.direction"),
            networks: look.traffic("system.network.io", "network.interface.name", "network.io.direction"),
            pressure: look.pressure(),
            rows: look.rows(),
        }
    }

    /// Sorts the processes; who is not shown alone comes last.
    pub(super) fn sort(&mut self, order: Order) {
        let key = |row: &Row| match order {
            Order::Cpu => row.cpu,
            Order::Memory => row.memory,
            Order::Io => row.io,
        };
        self.rows.sort_by(|a, b| {
            let by_value = key(b).unwrap_or(-1.0).total_cmp(&key(a).unwrap_or(-1.0));
            let by_memory = b.memory.unwrap_or(-1.0).total_cmp(&a.memory.unwrap_or(-1.0));
            a.pid.is_none().cmp(&b.pid.is_none()).then(by_value).then(by_memory)
        });
    }
}

struct Look<'a> {
    now: &'a Snapshot,
    before: Option<&'a Snapshot>,
}

type Totals = BTreeMap<Vec<String>, f64>;

impl Look<'_> {
    /// The sum of a metric's points; none where there are none.
    fn one(&self, metric: &str) -> Option<f64> {
        totals(self.now, metric, &[]).into_values().next()
    }

    fn by(&self, metric: &str, key: &str) -> Vec<(String, f64)> {
        let totals = totals(self.now, metric, &[key]).into_iter();
        totals.filter_map(|(mut names, value)| Some((names.pop()?, value))).collect()
    }

    /// What a counter grew by each second, for each value that these attributes have.
    fn rates(&self, metric: &str, keys: &[&str]) -> Totals {
        let (Some(before), Some((reading, _))) = (self.before, points(self.now, metric).next()) else {
            return Totals::new();
        };
        let Some((earlier, _)) = points(before, metric).next() else { return Totals::new() };
        let elapsed = reading.instant.saturating_duration_since(earlier.instant).as_secs_f64();
        if elapsed <= 0.0 {
            return Totals::new();
        }
        let before = totals(before, metric, keys);
        let rate = |(names, value): (Vec<String>, f64)| {
            let earlier = before.get(&names)?;
            Some((names, ((value - earlier) / elapsed).max(0.0)))
        };
        totals(self.now, metric, keys).into_iter().filter_map(rate).collect()
    }

    fn traffic(&self, metric: &str, key: &str, direction: &str) -> Vec<Traffic> {
        let rates = self.rates(metric, &[key, direction]);
        let of = |name: &str, directions: [&str; 2]| {
            directions.iter().find_map(|way| rates.get(&vec![name.to_owned(), (*way).to_owned()])).copied()
        };
        let names = self.by(metric, key).into_iter().map(|(name, _)| name);
        let mut all: Vec<Traffic> = names
            .map(|name| Traffic {
                inward: of(&name, ["read", "receive"]),
                outward: of(&name, ["write", "transmit"]),
                name,
            })
            .collect();
        let sum = |one: &Traffic| one.inward.unwrap_or(0.0) + one.outward.unwrap_or(0.0);
        all.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
        all
    }

    fn pressure(&self) -> Vec<(&'static str, f64)> {
        let some = |(name, metric): (&'static str, &str)| {
            let rates = self.rates(metric, &["system.pressure.stall_type"]);
            Some((name, rates.get(&vec!["some".to_owned()])?.min(1.0)))
        };
        PRESSURES.into_iter().filter_map(some).collect()
    }

    fn filesystems(&self) -> Vec<(String, f64, f64)> {
        let keys = ["system.filesystem.mountpoint", "system.filesystem.state"];
        let used = totals(self.now, "system.filesystem.usage", &keys);
        let limits = self.by("system.filesystem.limit", keys[0]).into_iter();
        let mut all: Vec<_> = limits
            .filter_map(|(point, limit)| {
                let used = *used.get(&vec![point.clone(), "used".to_owned()])?;
                (limit > 0.0).then_some((point, used, limit))
            })
            .collect();
        all.sort_by(|a, b| (b.1 / b.2).total_cmp(&(a.1 / a.2)));
        all
    }

    fn rows(&self) -> Vec<Row> {
        let keys = ["process.pid", "process.creation.time", "process.executable.name", "process.owner"];
        let cpu = totals(self.now, "process.cpu.utilization", &keys);
        let io = self.rates("process.disk.io", &keys);
        let memory = totals(self.now, "process.memory.usage", &keys);
        let row = |(names, memory): (Vec<String>, f64)| {
            let (cpu, io) = (cpu.get(&names).copied(), io.get(&names).copied());
            let [pid, _, name, owner] = <[String; 4]>::try_from(names).ok()?;
            let pid = Some(pid).filter(|pid| !pid.is_empty());
            Some(Row { pid, name, owner, cpu, memory: Some(memory), io })
        };
        memory.into_iter().filter_map(row).collect()
    }
}

/// Every point of a metric, whichever collector has it.
fn points<'a>(snapshot: &'a Snapshot, metric: &'a str) -> impl Iterator<Item = (&'a Reading, &'a Point)> {
    snapshot.readings.iter().flat_map(move |reading| {
        let series = reading.series.iter().filter(move |series| series.metric.name == metric);
        series.flat_map(|series| &series.points).map(move |point| (&**reading, point))
    })
}

/// The sums of a metric's points by these attributes, of the points or their entities; "" where there is none.
fn totals(snapshot: &Snapshot, metric: &str, keys: &[&str]) -> Totals {
    let mut totals = Totals::new();
    for (reading, point) in points(snapshot, metric) {
        let entity: Option<&Entity> = point.entity.and_then(|at| reading.entities.get(at as usize));
        let text = |key: &&str| {
            let of_entity = entity.into_iter().flat_map(|entity| &entity.attributes);
            let mut all = point.attributes.iter().chain(of_entity);
            all.find(|(name, _)| name == key).map(|(_, value)| value.to_string()).unwrap_or_default()
        };
        *totals.entry(keys.iter().map(text).collect()).or_insert(0.0) += point.value.as_f64();
    }
    totals
}
