"""Values against /proc read right before and after, and against node_exporter at the same moment."""

import os
import time
from contextlib import ExitStack

import catalogue
import host
from components import Agent, NodeExporter

TICK = 1 / host.TICKS
# For what is a computed double on both sides.
FINE = 1e-6
# A second process's view differs by what happened in between; a hundredth is what we promise.
SHARE = 0.01


class Moment:
    """The agent's page between two readings of the host, and node_exporter's right after."""

    def __init__(self, metrics, agent, node):
        self.name = {name: m.prometheus for name, m in metrics.items()}
        # Longer than a snapshot may be shared, so that the page is read between the two.
        time.sleep(1.2)
        self.before = Readings()
        self.page = agent.page()
        self.node = node.page()
        self.after = Readings()

    def value(self, otel_name, **labels):
        return self.page.sum(self.name[otel_name], **labels)

    def between(self, check, what, value, read, step=0.0):
        """`value` lies between the two readings, give or take a `step`."""
        low, high = sorted((read(self.before), read(self.after)))
        check.that(low - step <= value <= high + step, f"{what} is {value}, /proc said {low} before and {high} after")

    def near(self, check, what, value, other, step=0.0):
        good = abs(value - other) <= max(SHARE * abs(other), step)
        check.that(good, f"{what} is {value}, node_exporter says {other}")


class Readings:
    def __init__(self):
        self.cpu = host.cpu_seconds()
        self.memory = host.meminfo()
        self.disks = host.disks()
        self.interfaces = host.interfaces()
        self.loads = host.loads()
        self.vmstat = host.vmstat()
        self.pressure = {r: host.pressure(r) for r in ("cpu", "memory", "io", "irq")}
        self.uptime = float(host.read("/proc/uptime").split()[0])
        self.stat = {n: host.stat_counter(n) for n in ("ctxt", "intr", "processes")}
        self.pids = len(host.pids())


def run(report, directory, options):
    metrics = catalogue.load()
    with ExitStack() as stack:
        node = stack.enter_context(NodeExporter(directory)).start()
        agent = stack.enter_context(Agent(directory)).start()
        moment = Moment(metrics, agent, node)
        for look in (cpu, memory, disk, network, filesystem, load, pressure, counters, processes):
            with report.check(f"values: {look.__doc__}") as check:
                look(check, moment)


def cpu(check, moment):
    """CPU seconds by mode and in all"""
    step = 2 * TICK
    for mode in moment.before.cpu:
        value = moment.value("system.cpu.time", cpu_mode=mode)
        moment.between(check, mode, value, lambda r, m=mode: r.cpu[m], step)
    modes = {"interrupt": ("irq", "softirq")}
    total, theirs_total, offline = moment.value("system.cpu.time"), 0, host.offline_cpu_seconds()
    for mode in moment.before.cpu:
        theirs = sum(moment.node.sum("node_cpu_seconds_total", mode=m) for m in modes.get(mode, (mode,)))
        guest = {"user": "user", "nice": "nice"}.get(mode)
        if guest and "node_cpu_guest_seconds_total" in moment.node.samples:
            theirs -= moment.node.sum("node_cpu_guest_seconds_total", mode=guest)
        theirs += offline.get(mode, 0)
        theirs_total += theirs
        # Each CPU's seconds are rounded to a tick on their own there.
        slack = (host.cpus() + 1) * TICK + 0.1
        moment.near(check, mode, moment.value("system.cpu.time", cpu_mode=mode), theirs, slack)
    moment.near(check, "all modes", total, theirs_total)
    moment.between(check, "all modes", total, lambda r: sum(r.cpu.values()), len(moment.before.cpu) * TICK)
    check.same("logical CPUs", moment.value("system.cpu.logical.count"), host.cpus())


def memory(check, moment):
    """memory total, available and states, which sum to the limit"""
    limit = moment.value("system.memory.limit")
    check.same("limit", limit, moment.before.memory["MemTotal"])
    check.same("node_exporter's MemTotal", moment.node.sum("node_memory_MemTotal_bytes"), limit)
    available = moment.value("system.memory.linux.available")
    moment.between(check, "available", available, lambda r: r.memory["MemAvailable"], SHARE * limit)
    moment.near(check, "available", available, moment.node.sum("node_memory_MemAvailable_bytes"))
    used = moment.value("system.memory.usage", system_memory_state="used")
    moment.near(check, "used", used, limit - moment.node.sum("node_memory_MemAvailable_bytes"), SHARE * limit)
    check.same("sum of the states", moment.value("system.memory.usage"), limit)
    states = moment.page.values(moment.name["system.memory.usage"], "system_memory_state")
    check.same("states", states, ["buffers", "cached", "free", "used"])
    shares = moment.value("system.memory.utilization")
    check.that(abs(shares - 1) < FINE, f"the utilizations sum to {shares}")


def disk(check, moment):
    """disk bytes, operations and time"""
    shown = set(moment.page.values(moment.name["system.disk.io"], "system_device"))
    busy = {name for name, fields in moment.before.disks.items() if fields[0]}
    check.that(busy <= shown, f"not shown: {sorted(busy - shown)}")
    check.that(shown <= set(moment.before.disks), f"not whole disks: {sorted(shown - set(moment.before.disks))}")
    for device in shown & busy:
        for direction, at, theirs in (("read", 0, "read"), ("write", 4, "written")):
            labels = {"system_device": device, "disk_io_direction": direction}
            io = moment.value("system.disk.io", **labels)
            moment.between(check, f"{device} {direction}", io, lambda r: r.disks[device][at + 2] * host.SECTOR)
            moment.near(check, f"{device} {direction}", io,
                        moment.node.sum(f"node_disk_{theirs}_bytes_total", device=device), 1 << 20)
            operations = moment.value("system.disk.operations", **labels)
            moment.between(check, f"{device} {direction}s", operations, lambda r: r.disks[device][at])
        io_time = moment.value("system.disk.io_time", system_device=device)
        moment.between(check, f"{device} io_time", io_time, lambda r: r.disks[device][9] / 1000, FINE)


def network(check, moment):
    """network bytes and packets"""
    shown = set(moment.page.values(moment.name["system.network.io"], "network_interface_name"))
    busy = {name for name, fields in moment.before.interfaces.items() if fields[0] and name != "lo"}
    check.that(shown and busy <= shown, f"not shown: {sorted(busy - shown)}")
    compared = set()
    for name in shown:
        for direction, at in (("receive", 0), ("transmit", 8)):
            labels = {"network_interface_name": name, "network_io_direction": direction}
            io = moment.value("system.network.io", **labels)
            moment.between(check, f"{name} {direction}", io, lambda r: r.interfaces[name][at])
            # Debian's node_exporter leaves out `lo`.
            for _, theirs in moment.node.select(f"node_network_{direction}_bytes_total", device=name):
                moment.near(check, f"{name} {direction}", io, theirs, 1 << 20)
                compared.add(name)
            packets = moment.page.select(moment.name["system.network.packet.count"], system_device=name,
                                         network_io_direction=direction)
            check.that(packets, f"no packets of {name}")
            for _, value in packets:
                moment.between(check, f"{name} {direction} packets", value, lambda r: r.interfaces[name][at + 1])
    check.that(busy <= compared, f"node_exporter does not show {sorted(busy - compared)}")


def filesystem(check, moment):
    """filesystem bytes by state, which sum to the limit"""
    name = moment.name["system.filesystem.usage"]
    mounts = moment.page.values(name, "system_filesystem_mountpoint")
    check.that(mounts, "no filesystem")
    for mount in mounts:
        stat = os.statvfs(mount)
        size = stat.f_blocks * stat.f_frsize
        now = {"used": stat.f_blocks - stat.f_bfree, "free": stat.f_bavail, "reserved": stat.f_bfree - stat.f_bavail}
        states = {labels["system_filesystem_state"]: value
                  for labels, value in moment.page.select(name, system_filesystem_mountpoint=mount)}
        for state, blocks in now.items():
            wanted = blocks * stat.f_frsize
            good = abs(states.get(state, -1) - wanted) <= SHARE * size
            check.that(good, f"{mount} {state} is {states.get(state)}, statvfs says {wanted}")
        limit = moment.value("system.filesystem.limit", system_filesystem_mountpoint=mount)
        check.same(f"limit of {mount}", limit, size)
        check.same(f"sum of the states of {mount}", sum(states.values()), limit)
        for theirs in moment.node.select("node_filesystem_size_bytes", mountpoint=mount):
            moment.near(check, f"limit of {mount}", limit, theirs[1])
    theirs = set(moment.node.values("node_filesystem_size_bytes", "device"))
    ours = set(moment.page.values(name, "system_device"))
    real = {d for d in theirs if d.startswith("/dev/") and not d.startswith("/dev/loop")}
    check.that(real <= ours, f"only node_exporter shows {sorted(real - ours)}")


def load(check, moment):
    """load averages"""
    for at, (minutes, theirs) in enumerate((("1m", "node_load1"), ("5m", "node_load5"), ("15m", "node_load15"))):
        value = moment.value(f"system.cpu.load_average.{minutes}")
        moment.between(check, minutes, value, lambda r, at=at: r.loads[at], FINE)
        # The kernel computes them anew every five seconds, perhaps between the two pages.
        step = abs(moment.before.loads[at] - moment.after.loads[at]) + FINE
        moment.near(check, minutes, value, moment.node.sum(theirs), step)


def pressure(check, moment):
    """pressure stall seconds"""
    told = {r: kinds for r, kinds in moment.before.pressure.items() if kinds}
    for resource, kinds in told.items():
        for kind in kinds:
            value = moment.value(f"system.{resource}.linux.pressure.total", system_pressure_stall_type=kind)
            moment.between(check, f"{resource} {kind}", value, lambda r: r.pressure[resource][kind], FINE)
            theirs = f"node_pressure_{resource}_{'waiting' if kind == 'some' else 'stalled'}_seconds_total"
            if theirs in moment.node.samples:
                moment.near(check, f"{resource} {kind}", value, moment.node.sum(theirs), 0.1)


def counters(check, moment):
    """uptime, context switches, interrupts, processes created, faults"""
    moment.between(check, "uptime", moment.value("system.uptime"), lambda r: r.uptime, TICK)
    for name, field in (("system.linux.context_switches", "ctxt"), ("system.linux.interrupts", "intr"),
                        ("system.process.created", "processes")):
        moment.between(check, name, moment.value(name), lambda r, f=field: r.stat[f])
    moment.between(check, "major faults", moment.value("system.paging.faults", system_paging_fault_type="major"),
                   lambda r: r.vmstat["pgmajfault"])
    moment.between(check, "minor faults", moment.value("system.paging.faults", system_paging_fault_type="minor"),
                   lambda r: r.vmstat["pgfault"] - r.vmstat["pgmajfault"], moment.after.vmstat["pgmajfault"] * SHARE)


def processes(check, moment):
    """processes: states count them all, those shown and the remainder sum to all"""
    moment.between(check, "processes by state", moment.value("system.process.count"), lambda r: r.pids, 2)
    found = [fields for fields in map(host.process, host.pids()) if fields]
    threads = sum(int(f[17]) for f in found)
    resident = sum(int(f[21]) for f in found) * host.PAGE
    for name, wanted, step in (("process.thread.count", threads, 4), ("process.memory.usage", resident, 8 << 20)):
        value = moment.value(name)
        good = abs(value - wanted) <= max(2 * SHARE * wanted, step)
        check.that(good, f"{name} sums to {value}, over all of /proc it is {wanted}")
    names = moment.page.values(moment.name["process.memory.usage"], "process_executable_name")
    check.that(names, "no process has a name")
