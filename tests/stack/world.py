"""The stack of examples/ and otel-collector/ as it is shipped, with ports of its own.

    hostmeter ◀── job hostmeter ─────────────────────────────────── Prometheus ──▶ Alertmanager
        └─▶ config.yaml ◀── job collected ─────────────────────────────┘ ▲ └─▶ webapp, job webapp-scraped
                                                                         │
    hostmeter (job pushed) ─┬▶ gateway 1, 2 ─┬▶ agent-to-prometheus ─ remote write ─┘
    webapp    (job webapp) ─┘                └▶ config.yaml as an archive, one for each gateway
"""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request

from components import COLLECTOR, REPO, Agent, Collector, Component, Prometheus, environment, free_port, get
from report import log, wait_for

EXAMPLES = REPO / "examples"
CONFIGS = REPO / "otel-collector"
WEBAPP = EXAMPLES / "webapp/target/debug/webapp"
SCRAPE = 3
# What Grafana would make of $__rate_interval: four scrapes, and some more for a machine that is busy.
RATE = "30s"
PUSH_MS = 2000


class Otelcol(Component):
    """The Collector with another of its shipped configurations."""

    def __init__(self, directory, name, config, extra=(), **env):
        self.grpc, self.http, self.health = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.telemetry = free_port()
        super().__init__(name, directory, [COLLECTOR, "--config", CONFIGS / config, *extra], environment(
            OTELCOL_OTLP_GRPC=self.grpc, OTELCOL_OTLP_HTTP=self.http, OTELCOL_HEALTH=self.health,
            OTELCOL_TELEMETRY_PORT=self.telemetry, **env))

    def probe(self):
        return get(f"http://{self.health}/")[0] == 200


class Webapp(Component):
    """The example service; with an `endpoint` it sends OTLP, too."""

    def __init__(self, directory, name, endpoint=None):
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(name, directory, [WEBAPP], environment(
            WEBAPP_LISTEN=self.address, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_METRIC_EXPORT_INTERVAL=PUSH_MS))

    def probe(self):
        return get(f"http://{self.address}/-/healthy")[0] == 200

    def page_text(self):
        return get(f"http://{self.address}/metrics")[1]


class Load(Component):
    """The service's own client; it ends where nobody answers its first request."""

    def __init__(self, directory, name, webapp):
        super().__init__(name, directory, [WEBAPP, "load", f"http://{webapp.address}", "20"])


class Alertmanager(Component):
    """Debian's Alertmanager with the shipped routes; nobody is told of anything, because no address is real."""

    def __init__(self, directory):
        self.address = f"127.0.0.1:{free_port()}"
        config = directory / "alertmanager.yaml"
        text = (EXAMPLES / "alertmanager/alertmanager.yaml").read_text()
        for secret in ("slack_webhook", "smtp_password"):
            (directory / secret).write_text("http://127.0.0.1:9/")
            text = text.replace(f"/etc/alertmanager/secrets/{secret}", str(directory / secret))
        config.write_text(text.replace("smtp.example.com:587", "127.0.0.1:9"))
        super().__init__("alertmanager", directory, [
            "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={directory / 'alertmanager'}",
            f"--web.listen-address={self.address}", "--cluster.listen-address=", "--log.level=warn"])

    def probe(self):
        return get(f"http://{self.address}/-/ready")[0] == 200


class ShippedPrometheus(Prometheus):
    """Debian's Prometheus with examples/prometheus; its jobs are those of prometheus.yaml at other addresses."""

    def __init__(self, directory):
        super().__init__(directory, {})
        # What scrapes and what writes have to be known to each other, and either may come first.
        self.argv += ["--web.enable-remote-write-receiver", "--web.enable-lifecycle"]
        self.config = directory / "prometheus.yml"
        shutil.copytree(EXAMPLES / "prometheus/rules", directory / "rules")

    def point_at(self, addresses, classic):
        """`addresses` are port of the example to address."""
        text = (EXAMPLES / "prometheus/prometheus.yaml").read_text()
        text = re.sub(r"(scrape|evaluation)_interval: \w+", rf"\1_interval: {SCRAPE}s", text)
        text = re.sub(r"scrape_timeout: \w+", f"scrape_timeout: {SCRAPE}s", text)
        for port, address in addresses.items():
            text, count = re.subn(rf"\blocalhost:{port}\b", address, text)
            if not count:
                raise ValueError(f"prometheus.yaml has no localhost:{port}")
        if "localhost:" in text:
            raise ValueError(f"prometheus.yaml has an address that the test does not know: {text}")
        # Beside the one that sends OTLP there is one that is scraped; and an agent in the other dialect.
        text = text.replace("job_name: webapp", "job_name: webapp-scraped")
        job = f"  - job_name: classic\n    static_configs:\n      - targets: ['{classic}']\n\n"
        self.config.write_text(text.replace("# Where OTLP or remote write", job + "# Where OTLP or remote write"))


def build_webapp():
    """The example is a package of its own and is built with the versions of its own lock file."""
    subprocess.run(["cargo", "build", "--locked", "--quiet"], cwd=EXAMPLES / "webapp", check=True,
                   stdin=subprocess.DEVNULL, env=environment())


class Stack:
    """All of it, started in the order of the data's way back, so that nobody waits for anybody."""

    def __init__(self, directory, started):
        prometheus = ShippedPrometheus(directory)
        self.alertmanager = started(Alertmanager(directory).start())
        self.plain = started(Collector(directory).start())
        self.archives = [started(Collector(directory, f"archive-{at}").start()) for at in range(2)]
        self.writer = started(Otelcol(
            directory, "agent-to-prometheus", "agent-to-prometheus.yaml",
            OTELCOL_REMOTE_WRITE=f"http://{prometheus.address}/api/v1/write").start())
        workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.gateways = [started(Otelcol(
            directory, f"gateway-{at}", "gateway.yaml",
            OTELCOL_WORKER=worker, OTELCOL_GATEWAYS=f"[{', '.join(workers)}]",
            OTELCOL_BACKEND_GRPC=f"http://{self.archives[at].grpc}", OTELCOL_STORAGE=directory / f"queue-{at}",
            OTELCOL_BACKEND_HTTP=f"http://{self.writer.http}/v1/metrics", OTELCOL_MEMORY_MIB=512).start())
            for at, worker in enumerate(workers)]
        self.webapp = started(Webapp(directory, "webapp", f"http://{self.gateways[1].grpc}").start())
        self.scraped_webapp = started(Webapp(directory, "webapp-scraped").start())
        for webapp in (self.webapp, self.scraped_webapp):
            started(Load(directory, f"load-{webapp.name}", webapp).start())
        # So that hostmeter itself is among the processes that it shows, and tells how it stays within its limits.
        more = {"HOSTMETER_COLLECTORS__PROCESS__TOP_N": 200, "HOSTMETER_RESOURCE_LIMITS__MEMORY_MB": 512}
        self.scraped = started(Agent(directory, "hostmeter", f"http://{self.plain.grpc}", PUSH_MS,
                                     OTEL_SERVICE_NAME="collected", **more).start())
        self.pushed = started(Agent(directory, "hostmeter-pushed", f"http://{self.gateways[0].grpc}", PUSH_MS,
                                    OTEL_SERVICE_NAME="pushed", **more).start())
        self.classic = started(Agent(directory, "hostmeter-classic", HOSTMETER_PROMETHEUS__DIALECT="classic").start())
        prometheus.point_at({
            9464: f"127.0.0.1:{self.scraped.port}", 8889: self.plain.page_url,
            8888: f"127.0.0.1:{self.writer.telemetry}",
            9090: prometheus.address, 9093: self.alertmanager.address, 8080: self.scraped_webapp.address,
        }, classic=f"127.0.0.1:{self.classic.port}")
        self.prometheus = started(prometheus.start())


def outage(stack):
    """The writer is away for some seconds; meanwhile the gateway that holds the data is killed. Its times."""
    log("the back end away, and a gateway killed meanwhile")
    begun = time.time()
    stack.writer.stop()
    time.sleep(6)
    for gateway in stack.gateways:
        gateway.kill()
    time.sleep(2)
    for gateway in stack.gateways:
        gateway.start()
    stack.writer.start()
    return begun, time.time()


def _posted(request):
    """An error status is an `OSError`, too, and is tried again."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.status == 200


def post_hosts(stack, names):
    """A point of each of these hosts, to every gateway."""
    now = str(time.time_ns())
    for gateway in stack.gateways:
        for name in names:
            resource = {"service.name": "fleet", "service.instance.id": name}
            point = {"asInt": "1", "timeUnixNano": now}
            body = {"resourceMetrics": [{
                "resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in resource.items()]},
                "scopeMetrics": [{"scope": {"name": "test"},
                                  "metrics": [{"name": "test.host", "gauge": {"dataPoints": [point]}}]}]}]}
            request = urllib.request.Request(f"http://{gateway.http}/v1/metrics", json.dumps(body).encode(),
                                             {"content-type": "application/json"})
            # Refused for as long as the other gateway is not there, as an agent would be.
            wait_for(f"{name} being taken", 30, lambda request=request: _posted(request))


def reaches(prometheus, expression, seconds):
    """Waits until a query has an answer."""
    return wait_for(expression, seconds, lambda: prometheus.query(expression))


def has_swap():
    return len(open("/proc/swaps").read().splitlines()) > 1


def has_conntrack():
    return os.path.exists("/proc/sys/net/netfilter/nf_conntrack_count")
