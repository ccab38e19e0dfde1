//! CPU time and utilization by mode, from `/proc/stat` (proc_stat(5)), and how many CPUs there are.

mod hardware;

use std::collections::BTreeMap;

use crate::config::{Kind, Setting};
use crate::host::{Error, Host, ParseError, text};
use crate::metric::{
    Attribute, Attributes, Metric, Reading, ValueType::Double, ValueType::Int, ratio, seconds,
};

use super::{Collector, Spec};

const MODES: [&str; 7] = ["user", "system", "nice", "idle", "iowait", "interrupt", "steal"];
const MODE: Attribute = Attribute::of("cpu.mode", &MODES);
const NUMBER: Attribute = Attribute::open("cpu.logical_number");

static TIME: Metric = Metric::counter("system.cpu.time", "s", Double)
    .about("Time that the CPUs spent in each mode")
    .by(&[MODE, NUMBER.opt_in()])
    .from("/proc/stat");
static UTILIZATION: Metric = Metric::gauge("system.cpu.utilization", "1", Double)
    .about("Share of each mode in the CPU time between the last two readings")
    .by(&[MODE, NUMBER.opt_in()])
    .from("/proc/stat");
static LOGICAL: Metric = Metric::updown("system.cpu.logical.count", "{cpu}")
    .about("Number of logical CPUs that are online")
    .from("/proc/stat");
static PHYSICAL: Metric = Metric::updown("system.cpu.physical.count", "{cpu}")
    .about("Number of physical cores that are online")
    .from("/sys/devices/system/cpu/cpu*/topology, /proc/cpuinfo");
static FREQUENCY: Metric = Metric::gauge("system.cpu.frequency", "Hz", Int)
    .about("Operating frequency of each logical CPU")
    .by(&[NUMBER])
    .from("/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq, /proc/cpuinfo")
    .opt_in();

static CORE: Metric = Metric::gauge("system.linux.cpu.core.utilization", "1", Double)
    .about("Share of the time between the last two readings in which the CPU was neither idle nor waited for I/O")
    .by(&[NUMBER])
    .from("/proc/stat")
    .opt_in();

pub(super) static SPEC: Spec = Spec {
    name: "cpu",
    about: "CPU time and utilization by mode, number and frequency of CPUs",
    metrics: &[&TIME, &UTILIZATION, &LOGICAL, &PHYSICAL, &FREQUENCY, &CORE],
    settings: SETTINGS,
    build: |section, context| {
        let config: Config = section.get()?;
        Ok(Box::new(Cpu { config, possible: hardware::possible(context.host), ..Cpu::default() }))
    },
};

const SETTINGS: &[Setting] = &[Setting::new(
    "per_core",
    Kind::Bool,
    "false",
    "Time and utilization of every logical CPU (cpu.logical_number) instead of their total.",
)];

#[derive(Debug, Default, serde::Deserialize)]
struct Config {
    per_core: bool,
}

/// A step back of up to this many seconds is the kernel changing its mind about a sleep that is still going
/// on: `iowait` turns into `idle` when the I/O is done before the CPU wakes. A longer one is a CPU that was
/// offline and came back with its idle times at zero, which many kernels do, also at a suspend to RAM.
const LONGEST_SLEEP: u64 = 60;

#[derive(Default)]
struct Cpu {
    config: Config,
    possible: usize,
    tracks: BTreeMap<u32, Track>,
    total: Option<Times>,
    cores: hardware::Cores,
}

impl Collector for Cpu {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let stat = host.parse("proc/stat", parse)?;
        self.times(&stat, host.ticks, out);
        let online: Vec<u32> = stat.cpus.iter().map(|(number, _)| *number).collect();
        out.push(&LOGICAL, vec![], online.len() as u64);
        out.part(|out| {
            out.push(&PHYSICAL, vec![], self.cores.count(host, &online)?);
            Ok(())
        });
        if out.wants(&FREQUENCY) {
            out.part(|out| {
                for (number, hertz) in hardware::frequencies(host, &online)? {
                    out.push(&FREQUENCY, vec![(NUMBER.name, i64::from(number).into())], hertz);
                }
                Ok(())
            });
        }
        Ok(())
    }

    /// Every CPU that can be plugged into this machine, in every mode where they are told apart.
    fn ceiling(&self) -> usize {
        let modes = if self.config.per_core { MODES.len() } else { 1 };
        64 + modes * self.possible
    }
}

impl Cpu {
    /// The total is the kernel's at first and then grows by what the CPUs' own lines grew, because its line
    /// jumps when a CPU goes: for a CPU that is offline it counts by another clock than for one that is not.
    fn times(&mut self, stat: &Stat, hz: u64, out: &mut Reading) {
        let mut grown = [None; 7];
        for (number, now) in &stat.cpus {
            let track = self.tracks.entry(*number).or_insert_with(|| Track { raw: *now, shown: *now });
            let steps = track.advance(now, LONGEST_SLEEP * hz);
            add(&mut grown, &steps);
            if let Some(share) = busy(&steps) {
                out.push(&CORE, vec![(NUMBER.name, i64::from(*number).into())], share);
            }
            if self.config.per_core {
                push(out, Some(i64::from(*number)), &track.shown, &steps, hz);
            }
        }
        if !self.config.per_core {
            let total = self.total.get_or_insert(stat.total);
            add(total, &grown);
            push(out, None, total, &grown, hz);
        }
    }
}

/// The times, and the shares in the steps since the last reading: at the first one there are none, because
/// nothing has grown yet.
fn push(out: &mut Reading, number: Option<i64>, times: &Times, steps: &Times, hz: u64) {
    let whole: f64 = steps.iter().flatten().map(|ticks| *ticks as f64).sum();
    for (place, mode) in MODES.into_iter().enumerate() {
        let mut attributes: Attributes = vec![(MODE.name, mode.into())];
        attributes.extend(number.map(|number| (NUMBER.name, number.into())));
        if let Some(share) = steps[place].and_then(|ticks| ratio(ticks as f64, whole)) {
            out.push(&UTILIZATION, attributes.clone(), share);
        }
        if let Some(ticks) = times[place] {
            out.push(&TIME, attributes, seconds(ticks, hz));
        }
    }
}

/// The share of the modes in which a CPU has something to do.
fn busy(steps: &Times) -> Option<f64> {
    let ticks = |(_, ticks): (_, &Option<u64>)| ticks.map_or(0.0, |ticks| ticks as f64);
    let all = || MODES.into_iter().zip(steps);
    ratio(
        all().filter(|(mode, _)| !["idle", "iowait"].contains(mode)).map(ticks).sum(),
        all().map(ticks).sum(),
    )
}

/// Ticks in each of [`MODES`]; none where this kernel has no such column.
type Times = [Option<u64>; 7];

fn add(sum: &mut Times, steps: &Times) {
    for (sum, step) in sum.iter_mut().zip(steps) {
        if let Some(step) = step {
            *sum = Some(sum.unwrap_or(0).saturating_add(*step));
        }
    }
}

/// One CPU's counters, kept from going back. A CPU that is gone keeps its track: it may return.
struct Track {
    /// The highest ticks read since the last reset.
    raw: Times,
    /// The ticks that were told.
    shown: Times,
}

impl Track {
    /// Takes a new reading and says how far each mode grew. A short step back is waited out at the last
    /// value; after a longer one the mode counts on from there, so that it does not stand still for days.
    fn advance(&mut self, now: &Times, sleep: u64) -> Times {
        let mut steps = [None; 7];
        for (mode, step) in steps.iter_mut().enumerate() {
            let Some(ticks) = now[mode] else { continue };
            let raw = self.raw[mode].get_or_insert(ticks);
            if ticks >= *raw || *raw - ticks > sleep {
                *step = Some(ticks.saturating_sub(*raw));
                *raw = ticks;
            } else {
                *step = Some(0);
            }
        }
        add(&mut self.shown, &steps);
        steps
    }
}

/// The CPU lines of `/proc/stat`.
#[derive(Debug, PartialEq)]
pub(crate) struct Stat {
    /// The sum over all CPUs, also over those that are offline.
    total: Times,
    /// The CPUs that are online, by number.
    cpus: Vec<(u32, Times)>,
}

/// The CPU lines, which come first; the rest of the file is not looked at.
pub(crate) fn parse(text: &str) -> Result<Stat, ParseError> {
    let mut total = None;
    let mut cpus = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let Some(rest) = line.strip_prefix("cpu") else { break };
        let (number, ticks) = rest.split_once(' ').unwrap_or((rest, ""));
        let times = parse_times(ticks, at, line)?;
        if number.is_empty() {
            total = Some(times);
        } else {
            cpus.push((text::number(Some(number), at, line, "the number of a CPU")?, times));
        }
    }
    // One line a CPU, whatever the file says: two points of one series would spoil a whole page.
    cpus.sort_by_key(|(number, _)| *number);
    cpus.dedup_by_key(|(number, _)| *number);
    match total {
        Some(total) if !cpus.is_empty() => Ok(Stat { total, cpus }),
        _ => Err(ParseError::new(1, text, "the lines cpu and cpu0")),
    }
}

/// `user` and `nice` of the kernel hold the time of virtual machines' guests, which it also shows alone:
/// taken out here, so that no tick counts twice.
fn parse_times(ticks: &str, at: usize, line: &str) -> Result<Times, ParseError> {
    let mut columns = [None; 10];
    for (column, field) in columns.iter_mut().zip(ticks.split_ascii_whitespace()) {
        *column = Some(text::number::<u64>(Some(field), at, line, "ticks")?);
    }
    let [user, nice, system, Some(idle), iowait, irq, softirq, steal, guest, guest_nice] = columns else {
        return Err(ParseError::new(at, line, "ticks of at least user, nice, system and idle"));
    };
    let without = |all: Option<u64>, guest: Option<u64>| Some(all?.saturating_sub(guest.unwrap_or(0)));
    let interrupt = irq.zip(softirq).map(|(irq, softirq)| irq.saturating_add(softirq));
    Ok([without(user, guest), system, without(nice, guest_nice), Some(idle), iowait, interrupt, steal])
}

#[cfg(test)]
mod tests;
