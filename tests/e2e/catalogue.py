"""What hostmeter says of its metrics, and which of them this host cannot give."""

import json
import os
from dataclasses import dataclass

import host
from components import hostmeter

# What a process is known by. On OTLP they are attributes of its resource, on /metrics labels.
ENTITY = {"process.pid", "process.creation.time", "process.executable.name", "process.owner"}

# Attributes that some points of a metric have no value for: what was delivered needs no reason.
SOMETIMES = {
    "hostmeter.export.points": {"reason"},
    # UDP has no connections, so its sockets have no state.
    "system.network.connection.count": {"network.connection.state"},
}


@dataclass(frozen=True)
class Metric:
    name: str
    kind: str
    unit: str
    value: str
    attributes: frozenset  # the names of those that are on by default and that every point has
    sometimes: frozenset  # and of those that only some points have
    values: dict  # attribute name to its closed set, where it has one
    default: bool
    prometheus: str
    collector: str


def load():
    """`hostmeter metrics --format json` by name."""
    code, out, err = hostmeter("metrics", "--format", "json")
    if code != 0:
        raise RuntimeError(f"`hostmeter metrics` ends with {code}: {err}")
    return {m.name: m for m in map(_metric, json.loads(out))}


def _metric(row):
    attributes = [a for a in row["attributes"] if not a["opt_in"]]
    names, sometimes = {a["name"] for a in attributes}, SOMETIMES.get(row["name"], set())
    closed = {a["name"]: set(a["values"]) for a in attributes if a["values"]}
    return Metric(row["name"], row["kind"], row["unit"], row["value"], frozenset(names - sometimes),
                  frozenset(sometimes), closed, row["default"], row["prometheus"], row["collector"])


def labels(attributes):
    return {name.replace(".", "_") for name in attributes}


def absent(name):
    """Why this host cannot give a metric, found out without hostmeter; nothing where it must."""
    for prefix, reason in _reasons():
        if name.startswith(prefix):
            return reason
    return None


def _reasons():
    if not host.swaps():
        yield "system.paging.usage", "no swap"
        yield "system.paging.utilization", "no swap"
    for resource in ("cpu", "memory", "io", "irq"):
        if not host.pressure(resource):
            yield f"system.{resource}.linux.pressure", f"no /proc/pressure/{resource}"
    if not os.path.exists("/proc/sys/net/netfilter/nf_conntrack_count"):
        yield "system.network.conntrack", "no connection tracking"
    if not host.disks():
        yield "system.disk", "no disk"
    if not any(line.split()[0].startswith("/dev/") for line in host.read("/proc/self/mounts").splitlines()):
        yield "system.filesystem", "no filesystem on a device"
    if not os.path.exists("/proc/self/io"):
        yield "process.disk.io", "no /proc/<pid>/io"
    # These tell of trouble, and there may be none.
    yield "hostmeter.limit.step", "no ceiling is set"
    yield "hostmeter.task.panics", "nothing panicked"
    yield "container.", "the test does not run in a container of its own"
    yield "hostmeter.collector.errors", "a counter of errors, and there was none"
