"""The programs of the test, each on loopback ports of its own, with its own directory and log, ended for certain."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from promtext import Page
from report import log, wait_for

REPO = Path(__file__).resolve().parents[2]
COLLECTOR = REPO / "otel-collector/_build/otelcol-hostmeter"
HOSTMETER = Path(os.environ.get("HOSTMETER", REPO / "target/release/hostmeter"))
# What a developer has set for an agent of their own must not reach the one under test.
FOREIGN = ("OTEL_", "OTELCOL_", "HOSTMETER", "PROMETHEUS_", "NO_COLOR", "RUST_LOG", "RUST_BACKTRACE")

# What we compare with; its others would only fill the log.
NODE_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "pressure", "stat", "vmstat")

_given = set()
# Without the proxies that a machine may have set: everything here is on the loopback.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def free_port():
    """A loopback port that nobody listens on, never the same twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def packages(*names):
    """The Python of a virtual environment that has these packages of PyPI; it is made where it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hostmeter"
    place = cache / f"e2e-{sys.version_info.major}.{sys.version_info.minor}-{'-'.join(names)}"
    python = place / "bin/python"
    if not (place / "complete").exists():
        log(f"installing: {' '.join(names)}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run([python, "-m", "pip", "-q", "--disable-pip-version-check", "install", *names], check=True)
        (place / "complete").touch()
    return python


def environment(**more):
    """This process's environment without what would configure an agent or a Collector, and with `more`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    return kept | {k: str(v) for k, v in more.items() if v is not None}


def get(url, timeout=5, headers=None):
    """The status and the text of a page; an error status is an answer too."""
    try:
        with _open(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode(errors="replace")


class Component:
    """A program that runs until it is stopped. Leaving the `with` block ends it, whatever happened."""

    def __init__(self, name, directory, argv, env=None):
        self.name = name
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        # The kernel ends it even when this program is killed and cannot.
        self.argv = ["setpriv", "--pdeathsig", "KILL", *(str(a) for a in argv)]
        self.env = env or environment()
        self.log_path = self.directory / f"{name}.log"
        self.process = None
        self.started = None

    def start(self):
        """Starts it and waits until it is ready."""
        self.launch()
        try:
            wait_for(f"{self.name} being ready", 30, self.is_ready)
        except TimeoutError:
            self.kill()
            raise
        return self

    def launch(self):
        """Starts it without waiting. The log of an earlier run is kept."""
        with self.log_path.open("ab") as out:
            self.process = subprocess.Popen(
                self.argv, cwd=self.directory, env=self.env, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )
        self.started = time.time()
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.log()[-400:]}")
        return self.probe()

    def probe(self):
        return True

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=15):
        """SIGTERM; the exit code and how long it took. Killed, and told as -9, when it does not end."""
        begun = time.monotonic()
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode, time.monotonic() - begun

    def kill(self):
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill()
        if kind is not None:
            log(f"the last lines of {self.name}:\n{self.log()[-2000:]}")


class Collector(Component):
    """The Collector of `otel-collector/`, with its shipped configuration and ports of its own."""

    def __init__(self, directory, name="collector", extra=(), **env):
        self.grpc = env.pop("grpc", None) or f"127.0.0.1:{free_port()}"
        self.http = env.pop("http", None) or f"127.0.0.1:{free_port()}"
        self.health = f"127.0.0.1:{free_port()}"
        self.page_url = f"127.0.0.1:{free_port()}"
        self.file = Path(directory) / f"{name}.jsonl"
        config = REPO / "otel-collector/config.yaml"
        super().__init__(
            name, directory, [COLLECTOR, "--config", config, *extra],
            environment(
                OTELCOL_OTLP_GRPC=self.grpc, OTELCOL_OTLP_HTTP=self.http, OTELCOL_HEALTH=self.health,
                OTELCOL_PROMETHEUS=self.page_url, OTELCOL_TELEMETRY_PORT=free_port(), OTELCOL_FILE=self.file,
                OTELCOL_EXPORTERS="[prometheus, file, debug]", **env,
            ),
        )

    def probe(self):
        return get(f"http://{self.health}/")[0] == 200

    def page(self):
        """What its Prometheus exporter shows."""
        return Page(get(f"http://{self.page_url}/metrics")[1])


class NodeExporter(Component):
    """Debian's node_exporter, the other reader of the same host."""

    def __init__(self, directory):
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(
            "node_exporter", directory,
            ["prometheus-node-exporter", f"--web.listen-address={self.address}", "--log.level=warn",
             "--collector.disable-defaults", *(f"--collector.{c}" for c in NODE_COLLECTORS)],
        )

    def probe(self):
        return get(f"http://{self.address}/")[0] == 200

    def page(self):
        return Page(get(f"http://{self.address}/metrics")[1])


class Prometheus(Component):
    """Debian's Prometheus, scraping `targets` (job name to address)."""

    def __init__(self, directory, targets, interval="5s"):
        self.address = f"127.0.0.1:{free_port()}"
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "prometheus.yml"
        jobs = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
        # JSON is YAML, and the standard library writes it.
        config.write_text(json.dumps({"global": {"scrape_interval": interval, "scrape_timeout": interval},
                                      "scrape_configs": jobs}))
        super().__init__("prometheus", directory, [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={self.address}", "--log.level=warn",
        ])

    def probe(self):
        return get(f"http://{self.address}/-/ready")[0] == 200

    def api(self, path, **arguments):
        """The `data` of an answer of the HTTP API."""
        status, text = get(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        answer = json.loads(text)
        if status != 200 or answer["status"] != "success":
            raise RuntimeError(f"{path} {arguments}: {answer.get('error', status)}")
        return answer["data"]

    def query(self, expression):
        """The samples of an instant query: (labels, value)."""
        return [(s["metric"], float(s["value"][1])) for s in self.api("query", query=expression)["result"]]


class Agent(Component):
    """`hostmeter run` with `/metrics` on a port of its own."""

    def __init__(self, directory, name="hostmeter", endpoint=None, interval_ms=None, args=(), prefix=(), **env):
        self.port = free_port()
        argv = [*prefix, HOSTMETER, "run", *args]
        super().__init__(name, directory, argv, environment(
            OTEL_EXPORTER_PROMETHEUS_PORT=self.port, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_METRIC_EXPORT_INTERVAL=interval_ms, **env,
        ))

    def get(self, path):
        return get(f"http://127.0.0.1:{self.port}{path}")

    def probe(self):
        return self.get("/-/healthy")[0] == 200

    def page_text(self):
        status, text = self.get("/metrics")
        if status != 200:
            raise RuntimeError(f"/metrics answers {status}")
        return text

    def page(self):
        return Page(self.page_text())


def hostmeter(*args, timeout=20, **env):
    """Runs a subcommand to its end: exit code, standard output, standard error."""
    done = subprocess.run([HOSTMETER, *args], env=environment(**env), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=timeout, check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
