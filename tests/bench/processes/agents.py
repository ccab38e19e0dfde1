"""The agents side by side: how each is started, and what one cycle of it is."""

import os
import re
import signal
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path

import install

#: hostmeter shares a snapshot for a second, so two cycles of one agent are further apart than that.
SPACING = 1.05
#: An exporter may read all processes before it listens, on a busy machine.
READY = 90


class Broken(Exception):
    """The agent did not do what it was asked; it is left out and the reason is shown."""


class Agent:
    """A running agent; `command` says how to start it, with a folder of its own and a free port."""

    def __init__(self, name, command, **options):
        self.name, self.command, self.options = name, command, options
        self.process = self.log = None
        self.series = self.last = 0
        #: Cycles with less than half of the series that there were before: the agent gave up.
        self.short = 0

    def start(self, folder):
        self.folder = folder / re.sub(r"\W+", "-", self.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = open(self.folder / "log", "w+")
        command = [str(part) for part in self.command(self)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self.output(), stderr=self.log, cwd=self.folder, text=True
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
        time.sleep(max(0, self.last + SPACING - time.monotonic()))
        series = self.turn()
        self.short += series < self.series / 2
        self.series = max(self.series, series)
        self.last = time.monotonic()

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
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])

    def memory(self, key="VmRSS"):
        """Bytes of resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)[1]) * 1024


class Stepped(Agent):
    """A program of ours that does one cycle for a line on stdin and answers `series bytes processes`."""

    def output(self):
        return subprocess.PIPE

    def turn(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            return int(self.process.stdout.readline().split()[0])
        except (OSError, IndexError, ValueError) as error:
            raise self.broken(f"no answer: {error}") from error


class Scraped(Agent):
    """An exporter: a cycle is one GET /metrics."""

    def start(self, folder):
        super().start(folder)
        self.http = None
        end = time.monotonic() + READY
        while self.http is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                self.http = HTTPConnection("127.0.0.1", self.port, timeout=60)
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise self.broken(f"does not listen: {error}") from error
                time.sleep(0.02)

    def turn(self):
        try:
            self.http.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "60"})
            response = self.http.getresponse()
            page = response.read()
        except OSError as error:
            raise self.broken(f"no answer: {error}") from error
        if response.status != 200:
            raise self.broken(f"status {response.status}")
        return len(re.findall(rb"^[^#\n]", page, re.MULTILINE))


class Clocked(Agent):
    """An agent on its own clock. It is held (SIGSTOP) while others are measured, and then runs for whole intervals:
    what it does is periodic, so whole intervals hold whole cycles wherever they begin."""

    interval = 1.0

    def start(self, folder):
        super().start(folder)
        time.sleep(0.5)
        if self.process.poll() is not None:
            raise self.broken(f"ended with {self.process.returncode}")
        os.kill(self.pid, signal.SIGSTOP)

    def window(self, cycles):
        """CPU seconds of a cycle."""
        os.kill(self.pid, signal.SIGCONT)
        time.sleep(2 * self.interval)
        before, ticks = self.cpu(), self.ticks()
        time.sleep(cycles * self.interval)
        used = self.cpu() - before
        split = [after - start for after, start in zip(self.ticks(), ticks)]
        self.count()
        os.kill(self.pid, signal.SIGSTOP)
        return used / cycles, split

    def count(self):
        """Finds out how many series there are: the Collector logs its points, collectd writes a file for each list."""
        points = re.findall(r'"data points": (\d+)', Path(self.log.name).read_text(errors="replace"))
        heads = [file.open().readline() for file in self.folder.glob("csv/*/*/*")]
        self.series = int(points[-1]) if points else sum(head.count(",") for head in heads)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def collectors():
    """The names of hostmeter's collectors."""
    source = (install.REPOSITORY / "src/collectors/mod.rs").read_text()
    return re.findall(r"(\w+)::SPEC", re.search(r"static ALL\b.*?;", source, re.DOTALL)[0])


def hostmeter(binary, settings):
    """hostmeter with the process collector alone."""

    def command(agent):
        file = agent.folder / "hostmeter.yaml"
        lines = [f"prometheus: {{port: {agent.port}, bind_address: 127.0.0.1}}", "collectors:"]
        lines += [f"  {name}: {{enabled: false}}" for name in collectors() if name != "process"]
        lines += ["  process:", *(f"    {key}: {value}" for key, value in settings.items())]
        file.write_text("\n".join(lines) + "\n")
        return [binary, "run", "--config", file]

    return command


def otelcol(binary):
    def command(agent):
        file = agent.folder / "otelcol.yaml"
        file.write_text(f"""\
receivers:
  hostmetrics:
    collection_interval: {agent.interval}s
    initial_delay: 0s
    scrapers: {{process: {{mute_process_all_errors: true}}}}
exporters: {{debug: {{verbosity: basic}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [hostmetrics], exporters: [debug]}}}}
""")
        return [binary, "--config", file]

    return command


def collectd(binary, root):
    def command(agent):
        file = agent.folder / "collectd.conf"
        file.write_text(f"""\
BaseDir "{agent.folder}"
PIDFile "{agent.folder}/pid"
PluginDir "{root}/usr/lib/collectd"
TypesDB "{root}/usr/share/collectd/types.db"
Interval {agent.interval}
LoadPlugin logfile
<Plugin logfile>
  LogLevel warning
  File STDERR
</Plugin>
LoadPlugin processes
<Plugin processes>
{chr(10).join(f'  Process "worker-{family:02}"' for family in range(50))}
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{agent.folder}/csv"
</Plugin>
""")
        return [binary, "-f", "-C", file]

    return command


def process_exporter(binary):
    def command(agent):
        file = agent.folder / "process-exporter.yaml"
        file.write_text('process_names:\n  - name: "{{.Comm}}"\n    cmdline: [".+"]\n')
        return [binary, "-config.path", file, "-web.listen-address", f"127.0.0.1:{agent.port}"]

    return command


def node_exporter(binary):
    def command(agent):
        listen = f"--web.listen-address=127.0.0.1:{agent.port}"
        return [binary, "--collector.disable-defaults", "--collector.processes", "--web.disable-exporter-metrics", listen]

    return command
