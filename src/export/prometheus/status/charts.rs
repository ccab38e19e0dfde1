//! The moving charts: a number to see from afar, a plot of ten minutes, and a table that says the same.

use std::fmt::{self, Display, Write};

use crate::export::prometheus::html::bytes;
use crate::history::View;

use super::live::Live;
use super::plot::{self, HEIGHT, Values};

/// A chart of some lines of the history.
struct Chart {
    id: &'static str,
    title: &'static str,
    /// What its numbers are, for who listens.
    about: &'static str,
    /// Key and label.
    lines: &'static [(&'static str, &'static str)],
    /// The same of what is in the table only; bytes.
    further: &'static [(&'static str, &'static str)],
    stacked: bool,
    unit: Unit,
    /// The end of the axis; none where it follows the values.
    whole: Option<fn(&View) -> Option<f64>>,
    headline: fn(&View) -> Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Share,
    Bytes,
    BytesPerSecond,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Share => percent(value),
            Unit::Bytes => bytes(value.max(0.0) as u64),
            Unit::BytesPerSecond => format!("{}/s", bytes(value.max(0.0) as u64)),
        }
    }

    /// A number on the axis, which is round.
    fn tick(self, value: f64) -> String {
        match self {
            Unit::Share => format!("{} %", (value * 1000.0).round() / 10.0),
            _ => self.show(value).replace(".0 ", " "),
        }
    }

    fn top(self, highest: f64) -> f64 {
        match self {
            Unit::Share => plot::top(highest, 0.05, 1000.0),
            Unit::Bytes | Unit::BytesPerSecond => plot::top(highest, 1024.0, 1024.0),
        }
    }
}

const CPU: [(&str, &str); 6] = [
    ("cpu.user", "user"),
    ("cpu.system", "system"),
    ("cpu.iowait", "iowait"),
    ("cpu.nice", "nice"),
    ("cpu.interrupt", "interrupt"),
    ("cpu.steal", "steal"),
];

const PRESSURE: [(&str, &str); 3] =
    [("pressure.cpu", "CPU"), ("pressure.memory", "memory"), ("pressure.io", "I/O")];

static CHARTS: [Chart; 6] = [
    Chart {
        id: "cpu",
        title: "CPU",
        about: "Share of the time of all CPUs, by mode; what is left is idle",
        lines: &CPU,
        further: &[],
        stacked: true,
        unit: Unit::Share,
        whole: Some(|_| Some(1.0)),
        headline: |view| sum(view, &CPU).map(percent),
    },
    Chart {
        id: "memory",
        title: "Memory",
        about: "Physical memory by state; what is left is free",
        lines: &[("memory.used", "used"), ("memory.buffers", "buffers"), ("memory.cached", "cached")],
        further: &[("memory.free", "free")],
        stacked: true,
        unit: Unit::Bytes,
        whole: Some(|view| view.last("memory.limit")),
        headline: |view| {
            let used = bytes(view.last("memory.used")? as u64);
            let limit = view.last("memory.limit").map(|limit| format!(" of {}", bytes(limit as u64)));
            Some(used + &limit.unwrap_or_default())
        },
    },
    Chart {
        id: "pressure",
        title: "Pressure",
        about: "Share of the time in which some task waited for CPU, memory or I/O",
        lines: &PRESSURE,
        further: &[],
        stacked: false,
        unit: Unit::Share,
        whole: None,
        headline: |view| {
            let known = PRESSURE.iter().filter_map(|(key, label)| Some((view.last(key)?, label)));
            let worst = known.max_by(|one, other| one.0.total_cmp(&other.0));
            worst.map(|(share, label)| format!("{} {label}", percent(share)))
        },
    },
    Chart {
        id: "disk",
        title: "Disk traffic",
        about: "Bytes a second of all disks, without those that lie on others",
        lines: &[("disk.read", "read"), ("disk.write", "write")],
        further: &[],
        stacked: false,
        unit: Unit::BytesPerSecond,
        whole: None,
        headline: |view| rate(view, &["disk.read", "disk.write"]),
    },
    Chart {
        id: "network",
        title: "Network traffic",
        about: "Bytes a second of all interfaces, without the loopback, bridges and others that lie on others",
        lines: &[("network.receive", "receive"), ("network.transmit", "transmit")],
        further: &[],
        stacked: false,
        unit: Unit::BytesPerSecond,
        whole: None,
        headline: |view| rate(view, &["network.receive", "network.transmit"]),
    },
    Chart {
        id: "own",
        title: "Agent",
        about: "What the agent uses: share of one CPU, and resident memory",
        lines: &[("own.cpu", "CPU")],
        further: &[("own.memory", "memory")],
        stacked: false,
        unit: Unit::Share,
        whole: None,
        headline: |view| {
            let memory = view.last("own.memory").map(|memory| bytes(memory as u64));
            let cpu = view.last("own.cpu").map(percent);
            Some([cpu, memory].into_iter().flatten().collect::<Vec<_>>().join(", "))
        },
    },
];

/// A share as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn sum(view: &View, lines: &[(&str, &str)]) -> Option<f64> {
    lines.iter().filter_map(|(key, _)| view.last(key)).reduce(|sum, value| sum + value)
}

fn rate(view: &View, lines: &[&str]) -> Option<String> {
    let known = lines.iter().filter_map(|key| view.last(key)).reduce(|sum, value| sum + value);
    known.map(|sum| Unit::BytesPerSecond.show(sum))
}

/// What stands for a number that is not known.
const NONE: &str = "–";

/// All of them.
pub(super) fn write(live: &mut Live, view: &View) -> fmt::Result {
    live.write_str("<div class=charts>\n")?;
    for chart in &CHARTS {
        chart.write(live, view)?;
    }
    live.write_str("</div>\n")
}

impl Chart {
    fn write(&self, live: &mut Live, view: &View) -> fmt::Result {
        let Self { id, title, .. } = self;
        let lines: Vec<Values> = self.lines.iter().map(|(key, _)| view.line(key).collect()).collect();
        let drawn = if self.stacked { plot::stack(&lines) } else { lines };
        let highest = drawn.iter().flatten().map(|(_, value)| *value).fold(0.0, f64::max);
        let top = self.whole.and_then(|whole| whole(view)).unwrap_or_else(|| self.unit.top(highest));
        let headline = (self.headline)(view).filter(|text| !text.is_empty());
        write!(live, "<figure class=\"{id}\"><figcaption><h3>{title}</h3>")?;
        live.text("b", &format!("{id}.now"), "class=n", headline.as_deref().unwrap_or(NONE))?;
        live.write_str("</figcaption><div class=plot><div class=y aria-hidden=true>")?;
        live.text("span", &format!("{id}.top"), "", self.unit.tick(top))?;
        live.text("span", &format!("{id}.half"), "", self.unit.tick(top / 2.0))?;
        live.write_str("<span>0</span></div>")?;
        let spoken = self.spoken(view, headline.as_deref());
        let fixed = "role=img viewBox=\"0 0 600 250\" preserveAspectRatio=none";
        live.element("svg", &format!("{id}.svg"), fixed, &[("aria-label", &spoken)], None)?;
        live.write_str("<path class=grid d=\"M0 0H600M0 125H600M300 0V250\"/>")?;
        // The highest of a stack first: the others are painted over it.
        for (place, values) in drawn.iter().enumerate().rev() {
            let path = if self.stacked { plot::area(values, top) } else { plot::line(values, top) };
            let class = format!("class=\"{}{}\"", if self.stacked { "a" } else { "l" }, place + 1);
            live.element("path", &format!("{id}.{place}"), &class, &[("d", &path)], None)?;
        }
        write!(live, "<path class=base d=\"M0 {HEIGHT}H600\"/></svg>")?;
        live.write_str(
            "<div class=x aria-hidden=true><span>10 min ago</span><span>5 min</span><span>now</span></div></div>\n",
        )?;
        self.table(live, view)?;
        live.write_str("</figure>\n")
    }

    /// What somebody hears who does not see the plot.
    fn spoken(&self, view: &View, headline: Option<&str>) -> impl Display {
        let Self { title, about, .. } = self;
        let now = headline.unwrap_or("not known yet");
        let minutes =
            self.lines.iter().filter_map(|(key, _)| Some(view.line(key).next()?.0)).fold(0.0, f64::max);
        let minutes = (minutes / 60.0).ceil().min(10.0);
        format!("{title} over the last {minutes} minutes. {about}. Now: {now}.")
    }

    fn table(&self, live: &mut Live, view: &View) -> fmt::Result {
        let Self { title, lines, unit, .. } = self;
        write!(live, "<table><caption class=heard>{title}: now, and the highest of ten minutes")?;
        live.write_str("<thead><tr><td><th>now<th>highest<tbody>\n")?;
        let rows = lines.iter().map(|line| (line, *unit));
        let rows = rows.chain(self.further.iter().map(|line| (line, Unit::Bytes)));
        for (place, ((key, label), unit)) in rows.enumerate() {
            let shown = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| unit.show(value));
            // A key to the plot, for lines that are in it.
            let key_class = if place < lines.len() { place + 1 } else { 0 };
            write!(live, "<tr><th><i class=\"k{key_class}\"></i>{label}")?;
            live.text("td", key, "", shown(view.last(key)))?;
            live.text("td", &format!("{key}.max"), "", shown(view.highest(key)))?;
        }
        live.write_str("</table>")
    }
}

/// The processes that use most at the moment.
pub(super) fn processes(live: &mut Live, view: &View) -> fmt::Result {
    live.write_str(
        "<h2 id=processes>Top processes</h2>\n<div class=wide><table class=top><caption class=heard>\
         The processes that use most CPU, and among equals most memory<thead><tr><th>Process</th>\
         <th class=n>PID</th><th class=more>Owner</th>\
         <th class=n title=\"Share of all CPUs\">CPU</th><th class=n>Memory</th>\n<tbody>\n",
    )?;
    for place in 0..10 {
        let process = view.top.get(place);
        let hidden = if process.is_some() { "" } else { "none" };
        live.element("tr", &format!("p{place}"), "", &[("class", &hidden)], None)?;
        let text = |shown: Option<String>| shown.unwrap_or_else(|| NONE.to_owned());
        let name = process.map(|process| process.name.clone());
        live.text("th", &format!("p{place}n"), "", text(name))?;
        live.text("td", &format!("p{place}p"), "class=n", text(process.and_then(|p| p.pid.clone())))?;
        live.text("td", &format!("p{place}o"), "class=more", text(process.and_then(|p| p.owner.clone())))?;
        let cpu = process.and_then(|process| process.cpu).map(percent);
        live.text("td", &format!("p{place}c"), "class=n", text(cpu))?;
        let memory = process.and_then(|process| process.memory).map(|memory| bytes(memory as u64));
        live.text("td", &format!("p{place}m"), "class=n", text(memory))?;
    }
    live.write_str("</table></div>\n")?;
    let class = if view.top.is_empty() { "soft" } else { "none" };
    live.element("p", "p.none", "", &[("class", &class)], None)?;
    live.write_str("None is known: is the collector <code>process</code> on?</p>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::LINES;

    #[test]
    fn every_line_that_is_drawn_is_kept() {
        for (key, _) in CHARTS.iter().flat_map(|chart| chart.lines.iter().chain(chart.further)) {
            assert!(LINES.iter().any(|line| line.key == *key), "{key}");
        }
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(Unit::Share.show(0.1234), "12.3 %");
        assert_eq!(Unit::BytesPerSecond.show(-1.0), "0 B/s");
        assert_eq!(Unit::BytesPerSecond.show(1536.0), "1.5 KiB/s");
        let ticks = [Unit::Share.tick(0.05), Unit::Share.tick(0.025), Unit::BytesPerSecond.tick(2048.0)];
        assert_eq!(ticks, ["5 %", "2.5 %", "2 KiB/s"]);
    }
}
