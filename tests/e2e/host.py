"""This host, read by hand: the independent side of every comparison."""

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SECTOR = 512
MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")


def read(path):
    return Path(path).read_text(errors="replace")


def boot_time():
    """Seconds since 1970, whole ones."""
    return int(re.search(r"^btime (\d+)", read("/proc/stat"), re.M)[1])


def cpu_seconds(line="cpu"):
    """By `cpu.mode`, guest time counted once and both kinds of interrupts together; of one line of the file."""
    counts = re.search(rf"^{line} (.*)", read("/proc/stat"), re.M)[1].split()
    ticks = dict(zip(MODES, map(int, counts)))
    ticks["user"] -= ticks.pop("guest", 0)
    ticks["nice"] -= ticks.pop("guest_nice", 0)
    ticks["interrupt"] = ticks.pop("irq") + ticks.pop("softirq")
    return {mode: count / TICKS for mode, count in ticks.items()}


def offline_cpu_seconds():
    """What CPUs that are switched off now did before: the kernel's sum has it, and no line of a CPU."""
    if not read("/sys/devices/system/cpu/offline").strip():
        return {}
    whole, lines = cpu_seconds(), re.findall(r"^cpu\d+", read("/proc/stat"), re.M)
    return {mode: seconds - sum(cpu_seconds(line)[mode] for line in lines) for mode, seconds in whole.items()}


def stat_counter(name):
    return int(re.search(rf"^{name} (\d+)", read("/proc/stat"), re.M)[1])


def cpus():
    return len(re.findall(r"^cpu\d+ ", read("/proc/stat"), re.M))


def meminfo():
    """Bytes by the kernel's names."""
    return {name: int(kib) * 1024 for name, kib in re.findall(r"^(\S+):\s+(\d+) kB", read("/proc/meminfo"), re.M)}


def loads():
    return [float(v) for v in read("/proc/loadavg").split()[:3]]


def vmstat():
    return {name: int(v) for name, v in (line.split() for line in read("/proc/vmstat").splitlines())}


def disks():
    """Whole disks (no loop, ram, zram, partition): the fields of /proc/diskstats after the name."""
    rows = (line.split() for line in read("/proc/diskstats").splitlines())
    return {row[2]: [int(v) for v in row[3:]] for row in rows
            if Path("/sys/block", row[2].replace("/", "!")).exists()
            and not re.match(r"(loop|ram|zram)\d", row[2])}


def interfaces():
    """Receive then transmit fields of /proc/net/dev."""
    rows = (line.split(":", 1) for line in read("/proc/net/dev").splitlines()[2:])
    return {name.strip(): [int(v) for v in fields.split()] for name, fields in rows}


def pressure(resource):
    """Stalled seconds by `system.pressure.stall_type`; nothing where the kernel does not tell."""
    try:
        text = read(f"/proc/pressure/{resource}")
    except OSError:
        return {}
    return {kind: int(us) / 1e6 for kind, us in re.findall(r"^(some|full).*total=(\d+)", text, re.M)}


def swaps():
    return read("/proc/swaps").splitlines()[1:]


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def process(pid):
    """The fields of /proc/<pid>/stat from the third on; nothing for a process that has gone."""
    try:
        return read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None


def process_start(pid):
    """Seconds since 1970."""
    fields = process(pid)
    return fields and boot_time() + int(fields[19]) / TICKS


def first_line(*paths):
    for path in paths:
        try:
            if line := read(path).strip():
                return line.splitlines()[0].strip()
        except OSError:
            continue
    return None
