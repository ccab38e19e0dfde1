"""What a run has found, kept as JSON, and shown as tables: on the terminal, and in the README between two marks."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

from goals import MIB, cpu, goals, per_point
from install import REPOSITORY
from peers import HOSTMETER
from rounds import Result
from table import table

LAST = REPOSITORY / "target" / "bench" / "last.json"
README = REPOSITORY / "README.md"
BEGIN, END = "<!-- bench:begin, written by `tests/bench/run --readme` -->", "<!-- bench:end -->"


@dataclass
class Run:
    """All that a report needs; it can be kept and read again."""

    date: str
    command: str
    machine: str
    quick: bool
    noise: str = ""
    #: version, size and source of each agent, by name.
    peers: dict = field(default_factory=dict)
    #: By number of processes, by name: a Result.
    sizes: dict = field(default_factory=dict)
    #: Seconds to the first answer, by name.
    starts: dict = field(default_factory=dict)
    #: Context switches and CPU seconds a second, by name.
    idle: dict = field(default_factory=dict)
    #: The command line of each, by name.
    commands: dict = field(default_factory=dict)

    def keep(self):
        LAST.parent.mkdir(parents=True, exist_ok=True)
        LAST.write_text(json.dumps(asdict(self)))

    @classmethod
    def last(cls):
        if not LAST.exists():
            raise SystemExit("there is no run to show again")
        kept = json.loads(LAST.read_text())
        kept["sizes"] = {
            int(count): {name: Result(**result) for name, result in results.items()}
            for count, results in kept["sizes"].items()
        }
        return cls(**kept)


def machine():
    """What it was measured on, in one line."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 1024**2
    name = re.search(r'PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text())
    virtual = ", virtual" if "hypervisor" in info else ""
    return (
        f"{os.cpu_count()} CPUs{virtual} ({model[1] if model else platform.machine()}), {memory:.0f} GiB, "
        f"Linux {platform.release()}, {name[1] if name else '?'}"
    )


def steal():
    """Ticks in which the hypervisor had the CPU."""
    return int(Path("/proc/stat").read_text().split(None, 9)[8])


def full(run):
    """All of it."""
    return "\n\n".join([body(run), commands(run)])


def body(run):
    """What the README has."""
    return "\n\n".join([head(run), *(size(count, results) for count, results in run.sizes.items()), conclusion(run)])


def head(run):
    return f"Measured on {run.date} by `{run.command}` on {run.machine}."


def conclusion(run):
    """What there is to say when all is measured; the figures of a quick run are too few to judge by."""
    return once(run) if run.quick else f"{once(run)}\n\n{verdicts(goals(run))}"


def commands(run):
    rows = [[name, peer["source"], run.commands.get(name, "-")] for name, peer in run.peers.items()]
    return f"{table(['agent', 'from', 'command'], rows)}\n\n{run.noise}"


def size(count, results):
    """The table of one size."""
    rows = []
    for name, result in results.items():
        milliseconds = [1e3 * value for value in result.cpu]
        against = f"{cpu(result) / cpu(results[HOSTMETER]):.2f}" if HOSTMETER in results else "-"
        rows.append([
            name,
            f"{median(milliseconds):.2f} [{min(milliseconds):.2f}-{max(milliseconds):.2f}]",
            against,
            f"{1e3 * median(result.latency):.1f} / {1e3 * last_percent(result.latency):.1f}",
            f"{result.rss / MIB:.1f} / {result.pss / MIB:.1f}" if result.pss else f"{result.rss / MIB:.1f} / -",
            str(result.series),
            f"{result.page / 1024:.1f}",
            f"{result.wire[-1][1]} x {per_point(result):.1f}" if result.wire else "-",
            str(result.threads),
            str(result.cycles),
        ])
    processes = max((result.processes for result in results.values()), default=count)
    head = ["agent", "CPU ms a cycle [rounds]", "x hostmeter", "page ms, p50 / p99", "RSS / PSS MiB", "series",
            "page KiB, gzip", "OTLP points x bytes", "threads", "cycles"]
    return f"**{count:,} processes of ours, {processes:,} in all**\n\n{table(head, rows)}"


def last_percent(values):
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def once(run):
    """The table of what does not depend on the processes."""
    rows = []
    for name, peer in run.peers.items():
        starts = [1e3 * seconds for seconds in run.starts.get(name, [])]
        switches, used = run.idle.get(name, (None, None))
        rows.append([
            name,
            peer["version"],
            f"{median(starts):.1f} [{min(starts):.1f}-{max(starts):.1f}]" if starts else "-",
            "-" if switches is None else f"{switches:.2f}",
            "-" if used is None else f"{100 * used:.3f}",
            "-" if peer["size"] is None else f"{peer['size'] / MIB:.1f}",
        ])
    head = ["agent", "version", "start to first page, ms", "wake-ups a second, idle", "CPU %, idle", "program MiB"]
    return table(head, rows)


def verdicts(found):
    rows = [goal.row() for goal in found]
    met = sum(goal.met() for goal in found if goal.value is not None)
    asked = sum(goal.value is not None for goal in found)
    return f"{table(['goal (ratios are of this run)', '', 'measured', ''], rows)}\n\n{met} of {asked} goals met"


def write_readme(run):
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n\n{body(run)}\n\n{END}{after}")
