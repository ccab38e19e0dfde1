"""The agent under test, and what only somebody beside it can see: sockets, packets, memory, a twin without a fault."""

import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components import Agent
from oracle import Arrived, judge, lateness
from receiver import Receiver
from report import wait_for

ADDRESS = "127.0.0.1:4317"
# Where no fault is made.
SOUND = "127.0.0.1:4318"
INTERVAL = 1
# TCP states of /proc/net/tcp.
SYN_SENT, ESTABLISHED = "02", "01"

def agent(run, endpoint=None, name="hostmeter", interval=INTERVAL, **env):
    """The agent, pushing every `interval` seconds."""
    return Agent(run.directory, name, endpoint=endpoint or f"http://{ADDRESS}", interval_ms=interval * 1000, **env)


def settled(arrived, since, seconds=60):
    """Waits until everything that waited has arrived: until the agent says that nothing waits."""
    wait_for("an empty queue", seconds, lambda: any(r.waiting == 0 for r in arrived.since(since)[-3:]))


def finish(run, agent, arrived, interval=INTERVAL, duplicates=0, label="", lost=0):
    """Ends the agent and prints what arrived of what it collected."""
    label = f" {label}" if label else ""
    run.ends(agent, label)
    verdict = judge(arrived.all(), interval)
    run.at_most(f"lost of {verdict.ticks} ticks{label}", lost, verdict.lost)
    run.at_most(f"duplicates{label}", duplicates, verdict.duplicated)
    run.at_most(f"out of order{label}", 0, verdict.disorder)
    run.figure(f"books{label}", "agree with what arrived", verdict.books or "agree", not verdict.books)
    return verdict


def healing(run, arrived, healed, most=5.0):
    """How long after `healed` something was delivered, waiting for it."""
    wait_for("a delivery after healing", 60, lambda: arrived.since(healed))
    run.at_most("delivers after healing", most, arrived.since(healed)[0].at - healed, " s")


def on_time(run, late, twin):
    """The ticks' haste against that of an agent without a fault, on a machine shared with whatever else runs."""
    run.figure("ticks miss their place, p99", f"<= 50 ms + {twin.late:.0f} ms of one without a fault",
               f"{late:.0f} ms", late <= 50 + twin.late, pace=True)


class Twin:
    """Another agent, which meets no fault, while the `with` block runs; `late` is by how much its worst tick missed
    its place, in milliseconds."""

    def __init__(self, run):
        self.arrived = Arrived()
        self.receiver = Receiver(SOUND, self.arrived)
        self.agent = agent(run, f"http://{SOUND}", "twin")
        self.late = 0.0

    def __enter__(self):
        self.receiver.start()
        self.agent.start()
        return self

    def __exit__(self, *_):
        self.agent.stop()
        self.receiver.stop()
        _, self.late = lateness([r.began for r in self.arrived.all()], INTERVAL)


class Attempts:
    """The agent's connections to a port, seen in the kernel's table: when each began and how long it was there."""

    def __init__(self, port=4317):
        self.port = f"{port:04X}"
        self._seen = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._end.wait(0.05):
            now = time.monotonic()
            for socket in self.sockets():
                first, _ = self._seen.get(socket, (now, now))
                self._seen[socket] = (first, now)

    def sockets(self):
        """The client's side of each: its port, and its inode, because ports are used again."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return [(int(row[1].rsplit(":", 1)[1], 16), row[9]) for row in rows
                if row[2].endswith(f":{self.port}") and row[3] in (SYN_SENT, ESTABLISHED)]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    @property
    def seen(self):
        """How many."""
        return len(self._seen)

    def longest(self):
        """Seconds; nothing where there was none."""
        return max((last - first for first, last in self._seen.values()), default=None)


@dataclass(frozen=True)
class Certificate:
    file: Path
    pair: tuple  # the key and the certificate, as the receiver wants them


def certificate(directory, name, address="127.0.0.1"):
    """A key and a certificate that vouches for itself."""
    key, cert = directory / f"{name}.key", directory / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    return Certificate(cert, (key.read_bytes(), cert.read_bytes()))


def nft(*rules):
    """Drops what these match, in this row's own network."""
    base = "add table inet faults; add chain inet faults input { type filter hook input priority 0; }; "
    text = base + "; ".join(f"add rule inet faults input {rule} drop" for rule in rules)
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def nft_off():
    subprocess.run(["nft", "flush", "ruleset"], check=True)


def resident(agent):
    """Bytes."""
    # `setpriv` has become the agent.
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def memory_growth(agent):
    """A list that gets how much more memory, in MiB, was resident at the most while the block ran."""
    before, peak, end, grown = resident(agent), [0], threading.Event(), []

    def watch():
        while not end.wait(0.1):
            peak[0] = max(peak[0], resident(agent))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield grown
    end.set()
    thread.join()
    grown.append(max(0, peak[0] - before) / (1 << 20))
