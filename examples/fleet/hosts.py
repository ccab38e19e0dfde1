#!/usr/bin/env python3
"""Simulated hosts: directories with /proc, /sys and /etc that go on as those of a machine do.

    hosts.py <directory> <number> <seconds>

Each is the virtual machine of tests/hosts/vm.txtar with a name, ids and a boot time of its own and some processes
more. Every so many seconds its counters have grown and its gauges have moved. A file is replaced and never written
to, so that nobody reads half of one.
"""

import os
import random
import shutil
import sys
import time
import uuid
from pathlib import Path

ARCHIVE = Path(__file__).resolve().parents[2] / "tests/hosts/vm.txtar"
# Beside the eight of the archive. Agents show the biggest by default, so that some of these are in the remainder.
PROCESSES = 40
CLOCK_TICKS = 100

# Of a file the lines that have this word, and what a column of them gains in a second at the most.
COUNTERS = {
    "proc/stat": {
        **{f"cpu{n}": {1: 30, 2: 1, 3: 12, 4: 70, 5: 3, 7: 2, 8: 1} for n in range(4)},
        "ctxt": {1: 4000}, "processes": {1: 3},
    },
    "proc/diskstats": {
        "vda": {3: 40, 5: 2000, 6: 60, 7: 90, 9: 4000, 10: 80, 12: 200, 13: 140},
        "vdb": {3: 10, 5: 400, 6: 20, 7: 200, 9: 9000, 10: 90, 12: 150, 13: 110},
    },
    "proc/1/net/dev": {
        "eth0:": {1: 90_000, 2: 120, 9: 60_000, 10: 90},
        "lo:": {1: 5_000, 2: 20, 9: 5_000, 10: 20},
    },
    "proc/vmstat": {"pgpgin": {1: 900}, "pgpgout": {1: 2000}, "pgfault": {1: 3000}, "pgmajfault": {1: 1}},
    "proc/pressure/cpu": {"some": {4: 20_000}},
    "proc/pressure/memory": {"some": {4: 900}, "full": {4: 500}},
    "proc/pressure/io": {"some": {4: 9_000}, "full": {4: 7_000}},
}
# The same of what goes up and down: the share by which it may be off.
GAUGES = {
    "proc/meminfo": {name: {1: 0.1} for name in ("MemFree:", "MemAvailable:", "Cached:", "Buffers:", "Dirty:")},
    "proc/loadavg": {"": {0: 0.5, 1: 0.3, 2: 0.1}},
}
# Of a process; the numbers of proc_pid_stat(5) less one.
PROCESS_COUNTERS = {"stat": {"": {9: 300, 13: 8, 14: 4}}, "io": {"read_bytes:": {1: 40_000}, "write_bytes:": {1: 90_000}}}
PROCESS_GAUGES = {"stat": {"": {23: 0.2}}}
NAMES = ("nginx", "postgres", "redis-server", "java", "python3", "node", "sshd", "cron", "containerd", "dockerd")
STATUS = "Name:\t{name}\nState:\tS (sleeping)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t1\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n" \
    "Gid:\t{uid}\t{uid}\t{uid}\t{uid}\nThreads:\t4\nvoluntary_ctxt_switches:\t1200\nnonvoluntary_ctxt_switches:\t33\n"
IO = "rchar: 99120\nwchar: 41203\nsyscr: 204\nsyscw: 102\nread_bytes: 1048576\nwrite_bytes: 2097152\n" \
    "cancelled_write_bytes: 0\n"


class Table:
    """A file of rows, some columns of which change."""

    def __init__(self, path, counters, gauges):
        self.path = path
        self.rows = [line.split() for line in path.read_text().splitlines()]
        self.counters = dict(self._cells(counters))
        self.gauges = {cell: (_number(self._at(cell))[1], off) for cell, off in self._cells(gauges)}

    def _cells(self, wanted):
        for at, row in enumerate(self.rows):
            for word, columns in wanted.items():
                if not word or word in row[:3]:
                    yield from (((at, column), value) for column, value in columns.items())

    def _at(self, cell):
        return self.rows[cell[0]][cell[1]]

    def advance(self, seconds, chance):
        for (row, column), rate in self.counters.items():
            before, number = _number(self.rows[row][column])
            self.rows[row][column] = f"{before}{number + int(rate * seconds * chance.random())}"
        for (row, column), (number, off) in self.gauges.items():
            number *= 1 + off * (2 * chance.random() - 1)
            self.rows[row][column] = f"{number:.2f}" if "." in self.rows[row][column] else str(int(number))

    def write(self):
        replace(self.path, "".join(" ".join(row) + "\n" for row in self.rows))


class Host:
    """One host under `root`."""

    def __init__(self, root, number):
        self.chance = random.Random(number)
        self.root = root
        self.uptime = self.chance.uniform(1e5, 1e7)
        self.last = time.time()
        of_host = random.Random(f"host {number}").getrandbits
        replace(root / "etc/hostname", f"host-{number:04}\n")
        replace(root / "proc/sys/kernel/hostname", f"host-{number:04}\n")
        replace(root / "etc/machine-id", f"{of_host(128):032x}\n")
        replace(root / "sys/class/dmi/id/product_uuid", f"{uuid.UUID(int=of_host(128))}\n")
        replace(root / "proc/sys/kernel/random/boot_id", f"{uuid.UUID(int=of_host(128))}\n")
        self.tables = [Table(root / path, COUNTERS.get(path, {}), GAUGES.get(path, {})) for path in (*COUNTERS, *GAUGES)]
        self.stat = self.tables[0]
        next(row for row in self.stat.rows if row[0] == "btime")[1] = str(int(self.last - self.uptime))
        for pid in range(3000, 3000 + PROCESSES):
            self._process(pid)
        self.advance()

    def _process(self, pid):
        directory = self.root / f"proc/{pid}"
        directory.mkdir()
        name, uid = self.chance.choice(NAMES), self.chance.choice((0, 33, 107, 1000))
        born = int(self.chance.uniform(0, self.uptime) * CLOCK_TICKS)
        stat = (self.root / "proc/1/stat").read_text().split()
        stat[0], stat[1], stat[3], stat[21] = str(pid), f"({name})", "1", str(born)
        stat[13] = stat[14] = "0"
        stat[23] = str(self.chance.randrange(200, 60_000))
        for file, text in (("stat", " ".join(stat) + "\n"), ("comm", f"{name}\n"), ("io", IO),
                           ("status", STATUS.format(name=name, pid=pid, uid=uid))):
            (directory / file).write_text(text)
        # One in four does something; of the others most agents see no change.
        if pid % 4 == 0:
            self.tables += [Table(directory / file, PROCESS_COUNTERS[file], PROCESS_GAUGES.get(file, {}))
                            for file in PROCESS_COUNTERS]

    def advance(self):
        """Until now."""
        now = time.time()
        seconds, self.last = now - self.last, now
        self.uptime += seconds
        for table in self.tables:
            table.advance(seconds, self.chance)
        # The line of all is the sum of the lines of each.
        of_cpus = [row for row in self.stat.rows if row[0].startswith("cpu") and row[0] != "cpu"]
        self.stat.rows[0] = ["cpu", *(str(sum(map(int, column))) for column in zip(*(row[1:] for row in of_cpus)))]
        for table in self.tables:
            table.write()
        replace(self.root / "proc/uptime", f"{self.uptime:.2f} {3.2 * self.uptime:.2f}\n")


def _number(text):
    """What stands before the number, as in `total=71388986`, and the number."""
    before, equals, number = text.rpartition("=")
    return before + equals, float(number) if "." in number else int(number)


def replace(path, text):
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def unpack(archive, root):
    """The sections of a text archive (tests/support/txtar.rs says how one looks) as files and links."""
    path, lines = None, []

    def end():
        if path is None:
            return
        name, _, target = path.partition(" -> ")
        file = root / name.removesuffix(" (escaped)")
        file.parent.mkdir(parents=True, exist_ok=True)
        if target:
            return file.symlink_to(target)
        text = "".join(lines)
        if name != str(file.relative_to(root)):
            text = text.removesuffix("\n").encode().decode("unicode_escape")
        file.write_text(text)

    for line in archive.read_text().splitlines(keepends=True):
        if line.startswith("-- ") and line.endswith(" --\n"):
            end()
            path, lines = line[3:-4], []
        else:
            lines.append(line)
    end()


def main(directory, number, seconds):
    directory, number, seconds = Path(directory), int(number), float(seconds)
    template = directory / "template"
    unpack(ARCHIVE, template)
    hosts = []
    for at in range(number):
        root = directory / f"host-{at:04}"
        # What no host changes is there once.
        shutil.copytree(template, root, symlinks=True, copy_function=os.link)
        hosts.append(Host(root, at))
    print("ready", flush=True)
    while True:
        for host in hosts:
            begun = time.monotonic()
            host.advance()
            time.sleep(max(0, seconds / number - (time.monotonic() - begun)))


if __name__ == "__main__":
    main(*sys.argv[1:])
