"""The compose files: understood by podman-compose, what they mount is there, and each file good for its own program."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from components import COLLECTOR, HOSTMETER, REPO, Component, environment, free_port, get, packages
from report import wait_for

COMPOSE = REPO / "examples/compose"
TOOL = packages("podman-compose==1.6.0").parent
SERVICES = {"hostmeter", "collector", "prometheus", "alertmanager", "grafana", "webapp", "load"}


def run(report, directory):
    with report.check("compose: understood, least rights, all that is mounted is there") as check:
        services = resolved("compose.yaml")["services"]
        check.same("the services", set(services), SERVICES)
        for name, service in services.items():
            frugal(check, name, service)
            check.that(all(str(p).startswith("127.0.0.1:") for p in service.get("ports", [])), f"{name} is open to others")
    with report.check("compose: production has secrets from files, TLS, and two open ports") as check:
        production(check)
    with report.check("compose: every configuration is good for its program") as check:
        programs(check, directory)
    secrets = directory / "secrets"
    with report.check("compose: production's road takes hostmeter with the token, and nobody without") as check:
        subprocess.run([COMPOSE / "production/make-secrets", secrets], check=True)
        road(check, directory, secrets)


def resolved(*files):
    """What podman-compose makes of the files, laid over each other."""
    arguments = [argument for name in files for argument in ("-f", COMPOSE / name)]
    done = subprocess.run([TOOL / "podman-compose", *arguments, "config"], capture_output=True, text=True,
                          env=os.environ | {"PATH": f"{TOOL}:{os.environ['PATH']}"}, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr[-600:])
    reader = [TOOL / "python", "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"]
    return json.loads(subprocess.run(reader, input=done.stdout, capture_output=True, text=True, check=True).stdout)


def frugal(check, name, service):
    check.same(f"{name}: cap_drop", service.get("cap_drop"), ["ALL"])
    check.same(f"{name}: read_only", service.get("read_only"), True)
    check.that(service.get("mem_limit"), f"{name} has no limit for memory")
    check.that("no-new-privileges:true" in service.get("security_opt", []), f"{name} may get rights")
    for volume in service.get("volumes", []):
        source = volume.get("source") if isinstance(volume, dict) else volume.split(":")[0]
        if source.startswith((".", "/")):
            path = COMPOSE / source
            check.that(path.exists(), f"{name} mounts {source}, which is not there")
            check.that("ro" in str(volume), f"{name} may write to {source}")


def production(check):
    text = resolved("compose.yaml", "production.yaml")
    ports = sorted(str(p) for s in text["services"].values() if "demo" not in s.get("profiles", [])
                   for p in s.get("ports", []) if not str(p).startswith("127."))
    check.same("the open ports", ports, ["3000:3000", "4317:4317"])
    for name, service in text["services"].items():
        frugal(check, name, service)
        for secret in service.get("secrets", []):
            source = secret["source"] if isinstance(secret, dict) else secret
            check.that(source in text["secrets"], f"{name}: no secret {source}")
        for key, value in (service.get("environment") or {}).items():
            secret = ("PASSWORD", "TOKEN")
            plain = any(word in key for word in secret) and not key.endswith("_FILE")
            check.that(not plain, f"{name}: {key} is in the file: {value}")
    health = text["services"]["grafana"]["healthcheck"]["test"]
    check.same("Grafana is asked at", health[-1], "https://localhost:3000/api/health")
    agent = text["services"]["hostmeter"]["environment"]
    check.same("the road", agent["OTEL_EXPORTER_OTLP_ENDPOINT"], "https://collector:4317")


def programs(check, directory):
    place = directory / "prometheus"
    shutil.copytree(REPO / "examples/prometheus/rules", place / "rules")
    shutil.copy(COMPOSE / "prometheus.yaml", place)
    base = REPO / "otel-collector/config.yaml"
    secure = COMPOSE / "production/collector.yaml"
    commands = [
        ["promtool", "check", "config", place / "prometheus.yaml"],
        [COLLECTOR, "validate", "--config", base, "--config", secure],
    ]
    if shutil.which("amtool"):
        commands.append(["amtool", "check-config", COMPOSE / "alertmanager.yaml"])
    else:
        print("NOT CHECKED: alertmanager.yaml of compose, because amtool is not here.")
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        check.that(done.returncode == 0, f"{Path(command[0]).name}: {(done.stdout + done.stderr)[-300:]}")


def road(check, directory, secrets):
    grpc, page, own, health = (free_port() for _ in range(4))
    data = directory / "road.jsonl"
    settings = environment(
        OTELCOL_OTLP_GRPC=f"127.0.0.1:{grpc}", OTELCOL_OTLP_HTTP=f"127.0.0.1:{free_port()}",
        OTELCOL_PROMETHEUS=f"127.0.0.1:{page}", OTELCOL_TELEMETRY_PORT=own, OTELCOL_HEALTH=f"127.0.0.1:{health}",
        OTELCOL_EXPORTERS="[prometheus]", OTELCOL_FILE=data, OTELCOL_TLS_CERT=secrets / "server.crt",
        OTELCOL_TLS_KEY=secrets / "server.key", OTELCOL_TOKENS=secrets / "token",
    )
    files = ("--config", REPO / "otel-collector/config.yaml", "--config", COMPOSE / "production/collector.yaml")

    def agent(name, **more):
        known = environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"https://localhost:{grpc}", OTEL_EXPORTER_PROMETHEUS_PORT=free_port(),
            HOSTMETER_OTLP__INTERVAL="1s", HOSTMETER_OTLP__TLS__CA_FILE=secrets / "ca.crt", **more,
        )
        return Component(name, directory, [HOSTMETER], env=known)

    with Component("collector", directory, [COLLECTOR, *files], env=settings) as collector:
        collector.launch()
        wait_for("the Collector", 30, lambda: get(f"http://127.0.0.1:{health}/")[0] == 200)
        stranger = agent("stranger")
        with stranger:
            stranger.launch()
            wait_for("the stranger being refused", 30, lambda: "authenticat" in stranger.log().lower()
                     or "credentials" in stranger.log().lower())
            check.that("system_memory_limit" not in get(f"http://127.0.0.1:{page}/metrics")[1], "a stranger's data came in")
        known = agent("known", HOSTMETER_OTLP__BEARER_TOKEN_FILE=secrets / "token")
        with known:
            known.launch()
            wait_for("the data of the agent with a token", 30,
                     lambda: "system_memory_limit" in get(f"http://127.0.0.1:{page}/metrics")[1])
