"""Interfaces, disks, CPUs and mounts that are plugged and unplugged all the time."""

import itertools
import random
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from components import Agent
from machine import Repeated
from points import Points
from receiver import Receiver
from row import row

ADDRESS = "127.0.0.1:4317"
# Half a second, but never in step with the ticks.
PAUSES = (0.3, 0.7)
ZRAM = Path("/sys/class/zram-control")
CPU = Path("/sys/devices/system/cpu/cpu1/online")


class Plug:
    """A thing that is there after every other turn."""

    def __init__(self, plug, unplug):
        self.plug, self.unplug, self.there = plug, unplug, False

    def turn(self):
        self.unplug() if self.there else self.plug()
        self.there = not self.there

    def away(self):
        if self.there:
            self.turn()


def command(*argv):
    return lambda: subprocess.run(argv, check=True, capture_output=True)


def disk():
    """A disk of memory with a little traffic, so that its counters would show that they fell."""
    number, turns = [], itertools.count()

    def plug():
        number.append(int((ZRAM / "hot_add").read_text()))
        (Path(f"/sys/block/zram{number[0]}") / "disksize").write_text("8M")
        with open(f"/dev/zram{number[0]}", "wb", buffering=0) as device:
            # Another amount each time, also a smaller one.
            device.write(bytes((4 - next(turns) % 4) << 20))

    def unplug():
        at = number.pop()
        (Path(f"/sys/block/zram{at}") / "reset").write_text("1")
        (ZRAM / "hot_remove").write_text(str(at))

    return Plug(plug, unplug)


def writable(path):
    try:
        with open(path, "r+", encoding="ascii") as file:
            file.write(file.read().strip())
        return True
    except OSError:
        return False


def things(run):
    """Each with its name, and a series that comes and goes with it."""
    point = run.directory / "plugged"
    point.mkdir()
    link = "ip link add plug0 type veth peer name plug1 && ip link set plug0 up && ip link set plug1 up"
    yield "NIC", Plug(command("sh", "-c", link), command("ip", "link", "del", "plug0")), \
        ("system.network.io", {"network_interface_name": "plug0"})
    yield "mount", Plug(command("mount", "-t", "tmpfs", "-o", "size=1M", "plugged", point), command("umount", point)), \
        ("system.filesystem.limit", {"system_filesystem_mountpoint": str(point)})
    if (ZRAM / "hot_add").exists():
        yield "disk", disk(), ("system.disk.io", {})
    if writable(CPU):
        yield "CPU", Plug(lambda: CPU.write_text("0"), lambda: CPU.write_text("1")), \
            ("system.cpu.time", {"cpu_logical_number": 1})


@contextmanager
def switched_on_at_the_end():
    """The CPU comes back even if this program is killed: a child waits for our end of a pipe to close."""
    if not writable(CPU):
        yield
        return
    waits = subprocess.Popen(["sh", "-c", f"read -r _; echo 1 >{CPU}"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        waits.stdin.close()
        waits.wait()


@row("H06", "NIC, disk, CPU and mount come and go each 500 ms", seconds=60, long_seconds=150, alone=True)
def plugged(run):
    arrived, seconds = Points(), 90 if run.long else 20
    settings = {
        "DISK__EXCLUDE": "nothing", "NETWORK__EXCLUDE": "nothing", "FILESYSTEM__EXCLUDE_TYPES": "nothing",
        "CPU__PER_CORE": "true",
    }
    env = {f"HOSTMETER_COLLECTORS__{key}": value for key, value in settings.items()}
    plugs = list(things(run))
    try:
        with switched_on_at_the_end(), Receiver(ADDRESS, arrived), Agent(run.directory, endpoint=f"http://{ADDRESS}", interval_ms=1000,
                                               **env).start() as agent:
            time.sleep(2)
            # A CPU takes longer to go than half a second on some machines, so each has its own turn.
            turning = [Repeated(plug.turn, lambda: random.uniform(*PAUSES)) for _, plug, _ in plugs]
            for one in turning:
                one.__enter__()
            time.sleep(seconds)
            for one in turning:
                one.__exit__()
            for _, plug, _ in plugs:
                plug.away()
            # Who is gone is told by the next tick.
            time.sleep(3.5)
            run.ends(agent)
    finally:
        for _, plug, _ in plugs:
            plug.away()
    for (name, _, (metric, wanted)), one in zip(plugs, turning):
        # A disk gets another number each time.
        found = {a: p for a, p in arrived.of(metric, **wanted).items()
                 if name != "disk" or "zram" in dict(a)["system.device"]}
        ends = sum(p.ended for points in found.values() for p in points)
        run.figure(f"{name}: turns, series, points, ends", "each seen",
                   f"{one.times}, {len(found)}, {sum(len(p) for p in found.values())}, {ends}",
                   one.times >= seconds / 2 and found and (ends or name == "CPU"))
    if not any(name == "CPU" for name, _, _ in plugs):
        run.figure("CPU", "where it can be switched", "not here", True)
    arrived.told(run)
