"""compose started as a whole by podman-compose, with images made here of the very programs, and what arrives in it.

Grafana cannot be had here and is left out. Images of the Collector, Prometheus and Alertmanager are made of
otel-collector/build and of Debian's packages; hostmeter's and the service's are built by their own Dockerfiles.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

from checks_compose import COMPOSE, TOOL
from checks_image import APPLICATION
from components import COLLECTOR, REPO, get
from podman import IMAGE, inspect, podman, why_not
from report import log, wait_for

PROJECT = "hostmeter-test"
WEBAPP = "localhost/hostmeter-webapp:0.1.0"
# What the images of compose.yaml run, by the name of the program in the image.
PROGRAMS = {"collector": (COLLECTOR, "otelcol"), "prometheus": ("prometheus", "promtool"),
            "alertmanager": ("prometheus-alertmanager", "amtool")}
# What Debian's Alertmanager reads beside its configuration.
SHARED = Path("/usr/share/prometheus/alertmanager")
# Their health is asked by what is in the images that were not at hand, a newer promtool and `wget`; here by HTTP.
BY_HTTP = {"prometheus": "http://127.0.0.1:9090/-/healthy", "alertmanager": "http://127.0.0.1:9093/-/healthy"}
PORTS = (9464, 4317, 4318, 13133, 9090, 9093, 8080)
# Beside the way by the Collector, that of the scrape; compose itself has one way for every number.
SCRAPED = "\n  - job_name: scraped\n    static_configs:\n      - targets: [hostmeter:9464]\n"
# By each way, what is there of the host, of its processes and of the service.
QUERIES = {
    "the host, by OTLP": 'system_memory_limit_bytes{job="hostmeter"}',
    "the host's processes, by OTLP": 'process_uptime_seconds{job="hostmeter",process_executable_name!=""}',
    "the host, scraped": 'system_memory_limit_bytes{job="scraped"}',
    "the service": 'rate(http_server_request_duration_seconds_count{job="webapp"}[1m]) > 0',
    "what is recorded": 'instance:system_memory_utilisation:ratio{job="hostmeter"}',
    "the Collector": 'up{job="otelcol"} == 1',
    "Alertmanager": 'up{job="alertmanager"} == 1',
}


def run(report, directory):
    if reason := why_not() or missing():
        print(f"NOT CHECKED: compose started as a whole, because {reason}.")
        return
    with report.check("whole: the service's image, built by examples/compose/webapp.Dockerfile") as check:
        log("building the service's image; some minutes the first time")
        podman("build", "--network", "host", "--pull=never", "--tag", WEBAPP, "--file",
               str(COMPOSE / "webapp.Dockerfile"), str(REPO), seconds=3000)
        check.same("its user", inspect("image", WEBAPP)["Config"]["User"], "65532:65532")
    files = [COMPOSE / "compose.yaml", overlay(directory)]
    with started(directory, files):
        with report.check("whole: every container runs and is healthy") as check:
            healthy(check)
        for what, query in QUERIES.items():
            with report.check(f"whole: Prometheus has {what}") as check:
                found = wait_for(query, 120, lambda query=query: ask(query))
                check.that(found, "nothing")
        with report.check("whole: Alertmanager is told of alerts, and rules have no error") as check:
            managers = json.loads(get("http://127.0.0.1:9090/api/v1/alertmanagers")[1])["data"]["activeAlertmanagers"]
            check.same("alertmanagers", [m["url"] for m in managers], ["http://alertmanager:9093/api/v2/alerts"])
            for group in json.loads(get("http://127.0.0.1:9090/api/v1/rules")[1])["data"]["groups"]:
                for rule in group["rules"]:
                    check.that(rule["health"] != "err", f"{rule['name']}: {rule.get('lastError')}")
        with report.check("whole: the backup of the README, and back") as check:
            backup(check, directory, files)
    print("NOT CHECKED: Grafana in compose, because its image cannot be had here; its queries are asked by tests/stack/run.")


def missing():
    """What is not here that the whole takes."""
    if podman("image", "exists", IMAGE, check=False).returncode:
        return "hostmeter's image is not built: tests/ship/run --only image"
    if not os.path.exists("/usr/lib/podman/aardvark-dns"):
        return "containers cannot find each other by name without aardvark-dns"
    if absent := [p for programs in PROGRAMS.values() for p in programs[:1] if not shutil.which(p)]:
        return f"{absent[0]} is not here, which tests/e2e/run installs"
    taken = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    if used := [port for port in PORTS if f":{port} " in taken]:
        return f"port {used[0]} is in use"
    return None


def overlay(directory):
    """The images that are made here, one more job of Prometheus, and no Grafana."""
    config = directory / "prometheus.yaml"
    config.write_text((COMPOSE / "prometheus.yaml").read_text().replace("_interval: 15s", "_interval: 5s")
                      .replace("scrape_timeout: 10s", "scrape_timeout: 5s") + SCRAPED)
    services = {name: {"image": image(directory, name)} for name in PROGRAMS}
    services["prometheus"]["volumes"] = [f"{config}:/etc/prometheus/prometheus.yaml:ro"]
    services["hostmeter"] = {"environment": {"HOSTMETER_OTLP__INTERVAL": "2s"}}
    services["grafana"] = {"profiles": ["elsewhere"]}
    # What restarts for ever would hide that it ends.
    for service in (*PROGRAMS, "hostmeter", "webapp", "load"):
        services.setdefault(service, {})["restart"] = "no"
    path = directory / "overlay.yaml"
    path.write_text(json.dumps({"services": services}))
    return path


def image(directory, name):
    """An image of a program of this machine, on Debian, run by a user who owns the place of its data."""
    tag, place = f"localhost/{PROJECT}-{name}", directory / f"image-{name}"
    place.mkdir()
    for program in PROGRAMS[name]:
        if found := shutil.which(program):
            shutil.copy(found, place)
    program = os.path.basename(PROGRAMS[name][0])
    if name == "alertmanager" and SHARED.exists():
        shutil.copytree(SHARED, place / "shared")
    (place / "Dockerfile").write_text(
        f"FROM {APPLICATION}\nCOPY . /usr/bin/\nRUN mkdir -p {SHARED.parent} && "
        f"if [ -d /usr/bin/shared ]; then mv /usr/bin/shared {SHARED}; fi\nRUN mkdir /{name} && chown 65534:65534 /{name}\nUSER 65534:65534\n"
        f"ENTRYPOINT [\"/usr/bin/{program}\"]\n")
    podman("build", "--network", "none", "--pull=never", "--tag", tag, str(place), seconds=300)
    return tag


def compose(files, *arguments, seconds=300):
    command = [TOOL / "podman-compose", "--project-name", PROJECT]
    command += [word for path in files for word in ("--file", path)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=seconds,
                          env=os.environ | {"PATH": f"{TOOL}:{os.environ['PATH']}"})
    if done.returncode:
        raise RuntimeError(f"podman-compose {arguments[0]}: {(done.stdout + done.stderr).strip()[-800:]}")
    return done.stdout


@contextmanager
def started(directory, files):
    """All of it, and nothing left of it."""
    try:
        compose(files, "up", "--detach", "--no-build")
        yield
    except Exception:
        for name in containers():
            log(f"{name}: {podman('logs', '--tail', '8', name, check=False)}")
        raise
    finally:
        compose(files, "down", "--volumes", "--timeout", "5")


def containers():
    return podman("ps", "--all", "--filter", f"label=io.podman.compose.project={PROJECT}", "--format",
                  "{{.Names}}").split()


def healthy(check):
    names = {name.removeprefix(f"{PROJECT}_").rsplit("_", 1)[0]: name for name in containers()}
    check.same("containers", set(names), {*PROGRAMS, "hostmeter", "webapp", "load"})
    for service, name in names.items():
        inside = inspect("container", name)
        check.same(f"{service}: runs", inside["State"]["Status"], "running")
        check.same(f"{service}: capabilities", inside["EffectiveCaps"] or [], [])
        check.same(f"{service}: read-only", inside["HostConfig"]["ReadonlyRootfs"], True)
        if service in BY_HTTP:
            wait_for(f"{service} being healthy", 30, lambda url=BY_HTTP[service]: get(url)[0] == 200)
        elif inside["Config"].get("Healthcheck"):
            wait_for(f"{service} being healthy", 30,
                     lambda name=name: podman("healthcheck", "run", name, check=False).returncode == 0)


def ask(query, at=None):
    arguments = {"query": query} | ({"time": at} if at else {})
    status, text = get(f"http://127.0.0.1:9090/api/v1/query?{urllib.parse.urlencode(arguments)}")
    return json.loads(text)["data"]["result"] if status == 200 else None


def backup(check, directory, files):
    """The three lines of README.md, by podman; the data is taken away between them."""
    before = time.time()
    query = 'system_memory_limit_bytes{job="hostmeter"}'
    kept = ask(query, before)
    volume, archive = f"{PROJECT}_prometheus", directory / "prometheus.tar.gz"
    compose(files, "stop", "prometheus")
    with archive.open("wb") as out:
        subprocess.run(["podman", "run", "--rm", "--volume", f"{volume}:/data:ro", APPLICATION, "tar", "-C", "/data", "-cz", "."],
                       stdout=out, check=True, timeout=120)
    podman("run", "--rm", "--volume", f"{volume}:/data", APPLICATION, "find", "/data", "-mindepth", "1", "-delete")
    with archive.open("rb") as back:
        subprocess.run(["podman", "run", "--rm", "--interactive", "--volume", f"{volume}:/data", APPLICATION, "tar", "-C", "/data",
                        "-xz"], stdin=back, check=True, timeout=120)
    compose(files, "start", "prometheus")
    found = wait_for("Prometheus with its old data", 60, lambda: ask(query, before))
    check.that(kept and found and found[0]["value"][1] == kept[0]["value"][1], f"{found} and not {kept}")
