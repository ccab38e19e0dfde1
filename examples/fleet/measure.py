"""What a fleet costs, from the kernel's books: CPU of processes, bytes of sockets, memory."""

import os
import re
import statistics
import subprocess
import time
from pathlib import Path

from backends import HTTP

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
DAY = 86_400


def cpu(pid):
    """Seconds of CPU of a process so far (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def written(pid):
    """Bytes that a process has given to disks, as proc_pid_io(5) counts them."""
    return int(re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.M)[1])


def received(port):
    """By its other end, the bytes that each connection to a port has brought."""
    rows = subprocess.run(["ss", "-tinOH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return {row.split()[4]: int((re.search(r"bytes_received:(\d+)", row) or (0, 0))[1]) for row in rows.splitlines()}


class Moment:
    """The books of one moment."""

    def __init__(self, gateway, agents, backends):
        self.at = time.monotonic()
        self.cpu = cpu(gateway.process.pid)
        self.of_agents = sum(cpu(agent.process.pid) for agent in agents)
        self.written = written(gateway.process.pid)
        self.received = received(gateway.port)
        self.sent = {name: received(backends.ports[name]) for name in backends.books}
        self.totals = {name: books.totals() for name, books in backends.books.items()}
        self.series = backends.books[HTTP].series()


def came(before, after):
    return sum(bytes - before.get(peer, 0) for peer, bytes in after.items())


def per_host(before, after, options):
    """What there is to say of the time between two moments: text to number and unit."""
    seconds = after.at - before.at
    a_day = DAY / seconds / options.agents / 1e6
    points, size = (now - then for now, then in zip(after.totals[HTTP], before.totals[HTTP]))
    requests = options.agents * seconds / options.interval
    rows = {
        "points in a request of a host": (points / requests, ""),
        "OTLP of a request of a host, uncompressed, with what makes series": (size / requests / 1e3, "kB"),
        "series of a host (distinct over the whole time)": (after.series / options.agents, ""),
        "agent to gateway, a host and day": (came(before.received, after.received) * a_day, "MB"),
        "connections of agents": (len(after.received), ""),
        **{f"gateway to back end by {name}, a host and day": (came(before.sent[name], sent) * a_day, "MB")
           for name, sent in after.sent.items()},
        "gateway to its disk, a host and day": ((after.written - before.written) * a_day, "MB"),
        "gateway, CPU": (100 * (after.cpu - before.cpu) / seconds, "% of a core"),
        "gateway, CPU of 1,000 hosts": (1000 * (after.cpu - before.cpu) / seconds / options.agents, "cores"),
        "gateway, CPU of a request": (1e3 * (after.cpu - before.cpu) / requests, "ms"),
        "points a second": (points / seconds, ""),
        "agent, CPU": (100 * (after.of_agents - before.of_agents) / seconds / options.agents, "% of a core"),
    }
    return rows


def memory(gateway, agents):
    of_agents = [resident(agent.process.pid) for agent in agents]
    return {
        "gateway, memory": (resident(gateway.process.pid) / 2**20, "MiB"),
        "agent, memory (median)": (statistics.median(of_agents) / 2**20, "MiB"),
        "agent, memory (most)": (max(of_agents) / 2**20, "MiB"),
    }
