"""An agent under measurement: started afresh, asked, and looked at from outside by what the kernel says of it."""

import gzip
import os
import re
import signal
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path

#: hostmeter shares a snapshot for a second, so two readings of one agent are further apart than that.
SPACING = 1.05
#: An exporter may read all processes before it listens, on a busy machine.
READY = 90
#: What somebody has set for an agent of their own must not reach the ones here.
FOREIGN = ("OTEL_", "HOSTMETER", "PROMETHEUS_", "SC_", "COLLECTOR_", "RUST_LOG")
#: A page as Prometheus asks for it.
ASKING = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "X-Prometheus-Scrape-Timeout-Seconds": "60",
}


class Broken(Exception):
    """The agent did not do what it was asked; it is left out and the reason is shown."""


class Agent:
    """A running agent; `command` says how to start it, with a folder of its own and a free port."""

    #: Whether a cycle takes seconds where there are many processes.
    dear = False

    def __init__(self, name, command, **more):
        self.name, self.command = name, command
        #: What its environment has besides ours.
        self.environment = more
        self.process = self.log = None
        #: Series of the last page; and the most and the fewest that one had.
        self.shown = self.series = self.least = self.last = 0
        #: Cycles with less than half of the series that there were before: the agent gave up.
        self.short = 0

    def start(self, folder):
        self.folder = folder / re.sub(r"\W+", "-", self.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = open(self.folder / "log", "w+")
        command = [str(part) for part in self.command(self)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self.output(), stderr=self.log, cwd=self.folder, text=True,
            env=environment | self.environment,
        )
        self.pid = self.process.pid
        self.last = self.short = 0

    def output(self):
        return self.log

    def stop(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.communicate()
        self.log.close()
        self.process = None

    def cycle(self):
        """One reading of all processes, far enough from the last one to be a fresh one."""
        time.sleep(self.due())
        self.shown = series = self.turn()
        self.short += series < self.series / 2
        self.series = max(self.series, series)
        self.least = min(self.least or series, series)
        self.last = time.monotonic()

    def due(self):
        """Seconds until its next turn may begin."""
        return max(0, self.last + SPACING - time.monotonic())

    def broken(self, why):
        self.log.flush()
        log = Path(self.log.name).read_text(errors="replace").splitlines()[:3]
        return Broken("\n    ".join([f"{self.name}: {why}", *log]))

    def cpu(self):
        """CPU seconds of the process with all its threads, dead ones too, in the kernel's nanoseconds.

        It is the clock that clock_getcpuclockid(3) gives for a pid; /proc/<pid>/stat counts in 10 ms.
        """
        return time.clock_gettime(~self.pid << 3 | 2)

    def ticks(self):
        """CPU time in user and in system mode, for the ratio between the two."""
        fields = self.about("stat").rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])

    def memory(self, key="VmRSS"):
        """Bytes of resident memory."""
        return int(re.search(rf"^{key}:\s+(\d+)", self.about("status"), re.MULTILINE)[1]) * 1024

    def share(self):
        """Bytes of resident memory, of shared pages its share; None where it may not be read."""
        try:
            return int(re.search(r"^Pss:\s+(\d+)", self.about("smaps_rollup"), re.MULTILINE)[1]) * 1024
        except OSError:
            return None

    def threads(self):
        return int(re.search(r"^Threads:\s+(\d+)", self.about("status"), re.MULTILINE)[1])

    def switches(self):
        """Context switches of all threads: each time one of them was given a CPU."""
        count = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            count += sum(map(int, re.findall(r"_switches:\s+(\d+)", (task / "status").read_text())))
        return count

    def about(self, file):
        return Path(f"/proc/{self.pid}/{file}").read_text()


class Scraped(Agent):
    """An exporter: a cycle is one GET /metrics."""

    #: How it is asked; see ASKING.
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "60"}

    def start(self, folder):
        super().start(folder)
        self.http = None
        end = time.monotonic() + READY
        while self.http is None:
            try:
                self.reach()
            except OSError as error:
                self.running(error, end)
                time.sleep(0.02)

    def reach(self):
        http = HTTPConnection("127.0.0.1", self.port, timeout=60)
        http.connect()
        self.http = http

    def running(self, error, end):
        """Nothing, while it may still come to answer."""
        if self.process.poll() is not None or time.monotonic() > end:
            raise self.broken(f"does not listen: {error}") from error

    def first_answer(self, folder):
        """Seconds from the exec to a complete page with half of the series at least that it had when measured."""
        super().start(folder)
        begun = time.monotonic()
        while True:
            try:
                self.reach()
                if self.turn() > self.least / 2:
                    return time.monotonic() - begun
            except (OSError, Broken) as error:
                self.running(error, begun + READY)
            time.sleep(0.0005)

    def turn(self):
        try:
            begun, response, page = self.get()
        except ConnectionError:
            # A connection that has long not been used may be closed by the server; Prometheus, too, opens another.
            try:
                self.reach()
                begun, response, page = self.get()
            except OSError as error:
                raise self.broken(f"no answer: {error}") from error
        except OSError as error:
            raise self.broken(f"no answer: {error}") from error
        #: Of the last page: seconds, and bytes on the wire without the headers.
        self.latency, self.bytes = time.perf_counter() - begun, len(page)
        if response.status != 200:
            raise self.broken(f"status {response.status}")
        if response.getheader("Content-Encoding") == "gzip":
            page = gzip.decompress(page)
        self.page = page
        return len(re.findall(rb"^[^#\n]", page, re.MULTILINE))

    def get(self):
        begun = time.perf_counter()
        self.http.request("GET", "/metrics", headers=self.headers)
        response = self.http.getresponse()
        return begun, response, response.read()


def hold(agent):
    os.kill(agent.pid, signal.SIGSTOP)


def let_go(agent):
    os.kill(agent.pid, signal.SIGCONT)


_given = set()


def free_port():
    """A loopback port that nobody listens on, never the same twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
