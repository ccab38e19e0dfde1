"""The goals: ratios within one run, and hostmeter's own budgets; each with what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from peers import ALL, COLLECTOR, HOSTMETER, NODE, TOP, is_ours

MIB = 1 << 20
#: Wake-ups a second that are none: the timers of a runtime may end, once in a while.
FEW = 0.1


@dataclass
class Goal:
    text: str
    limit: float
    #: None where it was not measured.
    value: float | None
    form: str

    def row(self):
        shown = "not measured" if self.value is None else self.form.format(self.value)
        return [self.text, "≤ " + self.form.format(self.limit), shown, self.verdict()]

    def verdict(self):
        if self.value is None:
            return "-"
        return "met" if self.met() else f"MISSED by {100 * (self.value / self.limit - 1):.0f} %"

    def met(self):
        return self.value is None or self.value <= self.limit


def goals(run):
    """Every goal, in the order of the table."""
    found = []

    def goal(text, limit, value, form="{:.2f}"):
        found.append(Goal(text, limit, value, form))

    small, middle, large = (run.sizes.get(count, {}) for count in (100, 1000, 10_000))
    nodes = [name for name in run.peers if name.startswith(NODE)]
    for node in nodes:
        goal(f"CPU of a scrape, 100 processes, against {node}", 0.3, ratio(small, HOSTMETER, node, cpu))
    goal("CPU of a cycle on both roads, 1,000 processes, against the Collector", 0.1,
         ratio(middle, TOP, COLLECTOR, cpu), "{:.3f}")
    goal("CPU of a cycle on both roads, 10,000 processes, all shown, against the Collector", 0.15,
         ratio(large, ALL, COLLECTOR, cpu), "{:.3f}")
    for node in nodes:
        goal(f"RSS, 100 processes, against {node}", 0.5, ratio(small, HOSTMETER, node, rss))
    goal("RSS on both roads, 1,000 processes, against the Collector", 0.1, ratio(middle, TOP, COLLECTOR, rss), "{:.3f}")
    # Of the same points: a push of few is dear by the point and cheap as a whole.
    for results, count in ((middle, "1,000"), (large, "10,000")):
        goal(f"OTLP bytes a point, gzip, {count} processes, all shown, against the Collector", 0.7,
             ratio(results, ALL, COLLECTOR, per_point))
    goal("OTLP bytes a push, gzip, 1,000 processes, the biggest shown, against the Collector", 0.7,
         ratio(middle, TOP, COLLECTOR, per_push))
    for node in nodes:
        goal(f"start to first answer against {node}", 0.5, ratio(run.starts, HOSTMETER, node, median))
    goal("release binary, MiB", 9, run.peers[HOSTMETER]["size"] / MIB if HOSTMETER in run.peers else None)
    switches, used = run.idle.get(HOSTMETER, (None, None))
    goal("wake-ups a second between scrapes, OTLP off", FEW, switches)
    goal("CPU between scrapes, OTLP off, %", 0.05, None if used is None else used * 100)

    goal("budget: CPU ms of a scrape, 100 processes", 1.5, value(small, HOSTMETER, lambda result: 1e3 * cpu(result)))
    goal("budget: µs a process and cycle, 10,000 processes", 12,
         value(large, HOSTMETER, lambda result: 1e6 * cpu(result) / result.processes), "{:.1f}")
    goal("budget: RSS MiB, 100 processes", 10, value(small, HOSTMETER, mebibytes), "{:.1f}")
    goal("budget: RSS MiB, 10,000 processes", 24, value(large, HOSTMETER, mebibytes), "{:.1f}")
    goal("budget: first answer after ms", 30, value(run.starts, HOSTMETER, lambda seconds: 1e3 * median(seconds)), "{:.1f}")
    everywhere = [results[name].threads for results in run.sizes.values() for name in results if is_ours(name)]
    goal("budget: threads", 16, max(everywhere, default=None), "{:.0f}")
    return found


def cpu(result):
    return median(result.cpu)


def rss(result):
    return result.rss


def mebibytes(result):
    return result.rss / MIB


def per_point(result):
    """Bytes on the wire of a point."""
    return sum(wire for wire, _ in result.wire) / sum(points for _, points in result.wire)


def per_push(result):
    """Bytes on the wire of a push."""
    return sum(wire for wire, _ in result.wire) / len(result.wire)


def value(results, name, of):
    return of(results[name]) if name in results else None


def ratio(results, name, other, of):
    return of(results[name]) / of(results[other]) if name in results and other in results else None
