"""The agents side by side: how each is started, and what one cycle of it is."""

import re
import subprocess
import time
from pathlib import Path

import install
from agent import Agent, hold, let_go


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


class Clocked(Agent):
    """An agent on its own clock. It is held (SIGSTOP) while others are measured, and then runs for whole intervals:
    what it does is periodic, so whole intervals hold whole cycles wherever they begin."""

    interval = 1.0

    def start(self, folder):
        super().start(folder)
        time.sleep(0.5)
        if self.process.poll() is not None:
            raise self.broken(f"ended with {self.process.returncode}")
        hold(self)

    def window(self, cycles):
        """CPU seconds of a cycle."""
        let_go(self)
        time.sleep(2 * self.interval)
        before, ticks = self.cpu(), self.ticks()
        time.sleep(cycles * self.interval)
        used = self.cpu() - before
        split = [after - start for after, start in zip(self.ticks(), ticks)]
        self.count()
        hold(self)
        return used / cycles, split

    def count(self):
        """Finds out how many series there are: the Collector logs its points, collectd writes a file for each list."""
        points = re.findall(r'"data points": (\d+)', Path(self.log.name).read_text(errors="replace"))
        heads = [file.open().readline() for file in self.folder.glob("csv/*/*/*")]
        self.series = int(points[-1]) if points else sum(head.count(",") for head in heads)


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
