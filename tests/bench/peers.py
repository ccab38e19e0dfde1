"""The host agents side by side, each with what it measures unless told otherwise."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import install
from agent import ASKING, Agent, Scraped
from held import Aligned, BothRoads, Held
from install import HERE, Missing, say

HOSTMETER = "hostmeter"
TOP = "hostmeter, both roads"
ALL = "hostmeter all, both roads"
SOCKETS = "hostmeter, sockets each time"
NODE = "node_exporter"
COLLECTOR = "Collector hostmetrics"
#: So that all processes are shown of any population here.
CEILING = 20_000
#: What it has by default in its examples, and the processes; those that hostmeter has by default.
SCRAPERS = ["cpu", "disk", "filesystem", "load", "memory", "network", "paging", "process", "processes", "system"]

# Everybody here is asked as Prometheus asks.
Scraped.headers = ASKING


EVERY = (100, 1000, 10_000)


@dataclass
class Peer:
    agent: Agent
    version: str
    #: What must be on the disk, as text, and its bytes; None where that is an interpreter's affair.
    size: int | None
    #: How it was got.
    source: str
    #: The populations that it reads.
    sizes: tuple = EVERY


def all_of(only):
    """Those that can be had here and whose name contains one of `only`; of the others the reason is told."""
    for name, make in MAKERS.items():
        if only and not any(part in name for part in only):
            continue
        try:
            yield make(name)
        except Missing as reason:
            say(f"NOT MEASURED: {name}: {reason}")


def is_ours(name):
    return name.startswith(HOSTMETER)


def version(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r"\d+\.\d+[.\d]*[-+.\w]*", done.stdout)
    return found[0] if found else "?"


def size(*files):
    return sum(Path(file).stat().st_size for file in files)


def ours(kind, sizes, **collectors):
    """hostmeter with settings of its collectors; with OTLP where the kind has a receiver."""

    def make(name):
        def command(agent):
            lines = [f"prometheus: {{port: {agent.port}, bind_address: 127.0.0.1}}"]
            if isinstance(agent, BothRoads):
                lines += [f'otlp: {{endpoint: "http://{agent.receiver.endpoint}", interval: {milliseconds(agent)}}}']
            if collectors:
                lines += ["collectors:", *(f"  {name}: {settings}" for name, settings in collectors.items())]
            # A file of its own: of one that two agents run from, each would have half in its PSS.
            own = agent.folder / "hostmeter"
            if not own.exists():
                shutil.copy(binary, own)
            return [own, "run", "--config", written(agent, "hostmeter.yaml", lines)]

        binary = install.hostmeter()
        return Peer(kind(name, command), version(binary, "--version"), size(binary), "this clone", sizes)

    return make


def milliseconds(agent):
    return f"{agent.interval * 1000:.0f}ms"


def written(agent, name, lines):
    file = agent.folder / name
    file.write_text("\n".join(lines) + "\n")
    return file


def node_exporter(get, source, known=None):
    def make(name):
        binary = get()
        command = lambda agent: [binary, f"--web.listen-address=127.0.0.1:{agent.port}"]  # noqa: E731
        return Peer(Scraped(name, command), known or version(binary, "--version"), size(binary), source)

    return make


def process_exporter(name):
    package = "prometheus-process-exporter"
    binary, _ = install.debian(package, package)

    def command(agent):
        lines = ["process_names:", '  - {name: "{{.Comm}}", cmdline: [".+"]}']
        file = written(agent, "process-exporter.yaml", lines)
        return [binary, "-config.path", file, "-web.listen-address", f"127.0.0.1:{agent.port}"]

    agent = Scraped(name, command)
    agent.dear = True
    return Peer(agent, version(binary, "-version"), size(binary), f"Debian's {package}")


def psutil_agent(name):
    program = install.python()
    command = lambda agent: [program, HERE / "psutil_agent.py", agent.port]  # noqa: E731
    return Peer(Scraped(name, command), install.PYTHON_PACKAGES[0].split("==")[1], None, "tests/bench/psutil_agent.py")


def collectd(name):
    binary, root = install.debian("collectd-core", "collectd")
    folder = install.CACHE / "deb-collectd-core"
    libraries = install.libraries(folder, {"microhttpd": "libmicrohttpd12", "protobuf-c": "libprotobuf-c1"})
    plugins = ["cpu", "df", "disk", "interface", "load", "memory", "swap", "processes", "write_prometheus"]
    modules = root / "usr/lib/collectd"

    def command(agent):
        names = [f'  Process "worker-{family:02}"' for family in range(50)]
        return [binary, "-f", "-C", written(agent, "collectd.conf", [
            f'BaseDir "{agent.folder}"', f'PIDFile "{agent.folder}/pid"', f'PluginDir "{modules}"',
            f'TypesDB "{root}/usr/share/collectd/types.db"', f"Interval {agent.interval}",
            "LoadPlugin logfile", "<Plugin logfile>", "  LogLevel warning", "  File STDERR", "</Plugin>",
            *(f"LoadPlugin {plugin}" for plugin in plugins),
            "<Plugin processes>", *names, "</Plugin>",
            "<Plugin write_prometheus>", '  Host "127.0.0.1"', f'  Port "{agent.port}"', "</Plugin>",
        ])]

    held = Held(name, command, LD_LIBRARY_PATH=libraries)
    files = [binary, *(modules / f"{plugin}.so" for plugin in plugins)]
    return Peer(held, version(binary, "-h"), size(*files), "Debian's collectd-core")


def collector(name):
    binary = install.collector()

    def command(agent):
        return [binary, "--config", written(agent, "otelcol.yaml", [
            "receivers:", "  hostmetrics:", f"    collection_interval: {milliseconds(agent)}", "    initial_delay: 0s",
            "    scrapers:", *(f"      {scraper}: {OPTIONS.get(scraper, '{}')}" for scraper in SCRAPERS),
            "exporters:",
            f"  otlp: {{endpoint: {agent.receiver.endpoint}, compression: gzip, tls: {{insecure: true}}}}",
            # Without it the processes would be one another's duplicates.
            f"  prometheus: {{endpoint: 127.0.0.1:{agent.port}, resource_to_telemetry_conversion: {{enabled: true}}}}",
            "service:", "  telemetry: {metrics: {level: none}}",
            "  pipelines: {metrics: {receivers: [hostmetrics], exporters: [otlp, prometheus]}}",
        ])]

    agent = BothRoads(name, command)
    agent.dear = True
    return Peer(agent, version(binary, "--version"), size(binary), "built by the builder")


OPTIONS = {"process": "{mute_process_all_errors: true}"}


def debian_node_exporter():
    return install.debian("prometheus-node-exporter", "prometheus-node-exporter")[0]


MAKERS = {
    HOSTMETER: ours(Scraped, EVERY),
    TOP: ours(Aligned, (100, 1000)),
    ALL: ours(Aligned, (1000, 10_000), process=f"{{view: all, ceiling: {CEILING}}}"),
    SOCKETS: ours(Scraped, (100,), connections="{interval: 0s}"),
    NODE: node_exporter(debian_node_exporter, "Debian's prometheus-node-exporter"),
    f"{NODE} {install.NODE_EXPORTER}": node_exporter(install.node_exporter, "Go module", install.NODE_EXPORTER),
    COLLECTOR: collector,
    "collectd": collectd,
    "process-exporter": process_exporter,
    "psutil agent, processes": psutil_agent,
}

