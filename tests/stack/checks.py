"""Every shipped file of the stack by its own tool, and all of it run together for a minute and a half."""

import re
import subprocess
import time
from contextlib import ExitStack

import dashboards
import names
from components import COLLECTOR, Agent, environment, free_port
from otlp import Received
from report import Check, log, wait_for
from world import CONFIGS, EXAMPLES, Otelcol, Stack, build_webapp, outage, post_hosts, reaches

SECONDS = 75
RULES = EXAMPLES / "prometheus/rules"
# The scraped agent, the same one by way of a scraped Collector, and one whose data is written to Prometheus.
ROADS = ("hostmeter", "collected", "pushed")
HOSTS = [f"host-{number}" for number in range(20)]
WEB_ROADS = ("webapp", "webapp-scraped")
# Of the dashboards that are not of hosts in the dialect of the conventions.
OTHER_ROADS = {"web": WEB_ROADS, "business": WEB_ROADS, "classic": ("classic",)}


def run(report, directory, options):
    files(report, directory)
    secured(report, directory)
    log("building examples/webapp")
    build_webapp()
    with ExitStack() as opened:
        stack = Stack(directory, opened.enter_context)
        for road in ROADS:
            reaches(stack.prometheus, f'system_uptime_seconds{{job="{road}"}}', 60)
        time.sleep(15)
        away = outage(stack)
        post_hosts(stack, HOSTS)
        log(f"{SECONDS} s of data")
        time.sleep(SECONDS)
        targets(report, stack)
        nothing_lost(report, stack, away)
        balanced(report, stack)
        named(report, stack)
        recorded(report, stack)
        alerts(report, stack)
        for name, dashboard in dashboards.load().items():
            for road in OTHER_ROADS.get(name, ROADS):
                shown(report, stack, name, dashboard, road)


def tool(report, name, *argv, **env):
    """A program that says by its exit code whether a file is good."""
    with report.check(name) as check:
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                              env=environment(**env), check=False)
        check.that(done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-600:])


def files(report, directory):
    prometheus = EXAMPLES / "prometheus/prometheus.yaml"
    tool(report, "promtool check config", "promtool", "check", "config", prometheus)
    tool(report, "promtool check rules", "promtool", "check", "rules", *sorted(RULES.glob("*.yaml")))
    for path in sorted((RULES / "tests").glob("*.yaml")):
        tool(report, f"promtool test rules {path.name}", "promtool", "test", "rules", path)
    with report.check("every alert is named by a test") as check:
        said = "".join(path.read_text() for path in (RULES / "tests").glob("*.yaml"))
        asked_for = re.findall(r'alertname=~?"([^"]+)"', said)
        for alert in re.findall(r"- alert: (\w+)", (RULES / "alerts.yaml").read_text()):
            check.that(any(re.fullmatch(name, alert) for name in asked_for), f"no test of {alert}")
    tool(report, "amtool check-config", "amtool", "check-config", EXAMPLES / "alertmanager/alertmanager.yaml")
    for severity, receiver in (("critical", "slack-and-mail"), ("warning", "slack"), ("info", "nobody")):
        tool(report, f"alerts that are {severity} go to {receiver}", "amtool", "config", "routes", "test",
             f"--config.file={EXAMPLES / 'alertmanager/alertmanager.yaml'}", f"--verify.receivers={receiver}",
             "alertname=HostOOMKill", f"severity={severity}")
    secrets = make_secrets(directory)
    for name, more in (("config", []), ("agent-to-prometheus", []), ("gateway", []), ("gateway", ["gateway-secure"]),
                       ("gateway-light", []), ("gateway-light", ["gateway-secure"])):
        configs = [word for part in [name, *more] for word in ("--config", CONFIGS / f"{part}.yaml")]
        storage = {"OTELCOL_EXTENSIONS": "[health_check, bearertokenauth]"} if name == "gateway-light" else {}
        tool(report, f"otelcol validate {' '.join([name, *more])}", COLLECTOR, "validate", *configs, **secrets, **storage)
    tool(report, "the dashboards are what their source says", EXAMPLES / "grafana/build.py", "--check")
    every = dashboards.load()
    with report.check("no two dashboards have one uid") as check:
        check.same("number of uids", len({d["uid"] for d in every.values()}), len(every))
    for name, dashboard in every.items():
        with report.check(f"dashboard {name} is well formed") as check:
            dashboards.lint(check, name, dashboard)


def make_secrets(directory):
    """A certificate of the loopback's and two tokens, as the variables of gateway-secure.yaml."""
    key, certificate, tokens = (directory / name for name in ("key.pem", "cert.pem", "tokens"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tokens.write_text("new\nold\n")
    return {"OTELCOL_TLS_CERT": certificate, "OTELCOL_TLS_KEY": key, "OTELCOL_TOKENS": tokens}


def secured(report, directory):
    """The gateway with TLS and tokens; nobody is behind it, and what it has taken is in its queue."""
    secrets = make_secrets(directory)
    worker = f"127.0.0.1:{free_port()}"
    overlay = ["--config", CONFIGS / "gateway-secure.yaml"]
    with Otelcol(directory, "gateway-secure", "gateway.yaml", extra=overlay, OTELCOL_WORKER=worker,
                 OTELCOL_GATEWAYS=f"[{worker}]", OTELCOL_STORAGE=directory / "queue-secure", **secrets) as gateway:
        gateway.start()
        for token, outcome in (("old", "delivered"), ("stolen", "refused")):
            with report.check(f"gateway-secure: an agent with the token {token!r} is {outcome}") as check:
                (directory / token).write_text(token)
                with Agent(directory, f"hostmeter-{token}", f"https://{gateway.grpc}", 2000,
                           OTEL_EXPORTER_OTLP_CERTIFICATE=secrets["OTELCOL_TLS_CERT"],
                           HOSTMETER_OTLP__BEARER_TOKEN_FILE=directory / token) as agent:
                    agent.start()
                    def delivered(agent=agent):
                        found = agent.page().select("hostmeter_export_points_total", outcome="delivered")
                        return any(value for _, value in found)

                    if outcome == "delivered":
                        wait_for("delivery", 20, delivered)
                    else:
                        wait_for("a word on it", 20, lambda agent=agent: "credentials" in agent.log())
                        check.that(not delivered(), "something was delivered nevertheless")


def targets(report, stack):
    with report.check("every job of prometheus.yaml is scraped") as check:
        for target in stack.prometheus.api("targets")["activeTargets"]:
            check.same(f"health of {target['labels']['job']}", target["health"], "up")
            check.that(not target["lastError"], f"{target['labels']['job']}: {target['lastError']}")


def nothing_lost(report, stack, away):
    """Between the points of the pushed agent is never more than a missed tick, over the outage neither."""
    with report.check("remote write: no gap while the back end was away and the gateways were killed") as check:
        found = stack.prometheus.api("query", query='system_uptime_seconds{job="pushed"}[10m]')["result"]
        check.same("series of one host", len(found), 1)
        times = [at for at, _ in found[0]["values"]]
        check.that(times[0] < away[0] and times[-1] > away[1] + 10, "not before, during and after")
        widest = max(later - earlier for earlier, later in zip(times, times[1:]))
        check.that(widest <= 4.5, f"a gap of {widest:.1f} s")


def balanced(report, stack):
    """Each gateway has an archive behind it, so that it can be seen who passed a host on."""
    archives = [Received.from_file(archive.file) for archive in stack.archives]
    with report.check("the gateways' other back end has both senders, and processes as resources") as check:
        resources = [resource for archive in archives for resource in archive.resources()]
        check.that({"pushed", "webapp"} <= {r.get("service.name") for r in resources}, "one sender is missing")
        check.that(any("process.pid" in r for r in resources), "no resource is a process")
    with report.check("load balancing: every host is with one gateway, wherever it sends to") as check:
        first, second = ({r["service.instance.id"] for r in archive.resources()} for archive in archives)
        check.that(len(first | second) == len(HOSTS) + 2, f"{len(first | second)} hosts and not {len(HOSTS) + 2}")
        check.that(len(first) > 3 and len(second) > 3, f"{len(first)} hosts at one gateway, {len(second)} at the other")
        check.same("hosts at both", sorted(first & second), [])


def named(report, stack):
    known = names.Names(stack.prometheus, names.pages(stack))
    for late in sorted(known.late):
        report.note(f"not checked, because this hostmeter does not have it: {late}")
    with report.check("the check of names sees what is wrong") as check:
        for wrong in ("sum(system_cpu_tim_seconds_total)", 'system_cpu_time_seconds_total{mode="idle"}',
                      'system_cpu_time_seconds_total{cpu_mode=~"idle|idel"}', "sum by (cpu) (system_cpu_time_seconds_total)",
                      'rate({__name__=~"system_cpu_linux_pressure_seconds"}[5m])'):
            told = Check()
            known.check(told, wrong)
            check.that(told.problems, f"nothing is said of {wrong}")
    for kind in ("recording", "alerting"):
        for rule in names.rules(stack.prometheus, kind):
            with report.check(f"names of rule {rule['name']} {rule.get('labels', {}).get('severity', '')}") as check:
                known.check(check, rule["query"])
                check.that(rule["health"] == "ok", rule.get("lastError", rule["health"]))
    for name, dashboard in dashboards.load().items():
        with report.check(f"names of dashboard {name}") as check:
            for panel in dashboards.panels(dashboard):
                for target in panel["targets"]:
                    known.check(check, target["expr"])


def recorded(report, stack):
    """The recording rules give numbers on every road; what alerts ask for beside them is there, too."""
    web = {rule["name"] for rule in names.rules(stack.prometheus, "recording") if rule["name"].startswith("job:")}
    for rule in names.rules(stack.prometheus, "recording"):
        with report.check(f"recorded {rule['name']}") as check:
            have = {labels.get("job") for labels, _ in stack.prometheus.query(rule["name"])}
            want = set(WEB_ROADS if rule["name"] in web else ROADS)
            check.that(want <= have, f"nothing for {sorted(want - have)}")


def alerts(report, stack):
    with report.check("an alert's host is its name, and the runbook says what to do") as check:
        for alert in names.rules(stack.prometheus, "alerting"):
            for part in ("summary", "description", "runbook"):
                check.that(alert["annotations"].get(part), f"{alert['name']} has no {part}")
            for one in alert["alerts"]:
                check.that("<error" not in str(one["annotations"]), f"{alert['name']}: {one['annotations']}")
                if "host" in one["annotations"]:
                    check.same(f"host of {alert['name']}", one["annotations"]["host"], host_name(stack))
    with report.check("no alert says that the stack is down") as check:
        silent = ("HostmeterDown", "HostmeterAbsent", "HostmeterAllAbsent", "HostmeterCollectorFailed",
                  "HostmeterPointsDropped",
                  "HostClockSkew", "PrometheusConfigReloadFailed", "AlertmanagerConfigReloadFailed", "WebErrors")
        for labels, _ in stack.prometheus.query('ALERTS{alertstate="firing"}'):
            check.that(labels["alertname"] not in silent, f"{labels}")


def host_name(stack):
    [(labels, _)] = stack.prometheus.query('target_info{job="hostmeter"}')
    return labels["host_name"]


def shown(report, stack, name, dashboard, road):
    with report.check(f"dashboard {name}, job {road}: every variable has values") as check:
        variables = dashboards.Variables(stack.prometheus, dashboard, road)
        for variable, (query, values) in variables.asked.items():
            check.that(values and variables.values[variable], f"none of {query}")
        check.that(len(variables.values.get("instance", ["one"])) == 1, "the host has several instances")
    for panel in dashboards.panels(dashboard):
        reason = dashboards.reason_for_none(stack.prometheus, name, panel)
        if reason:
            report.note(f"not expected on this machine: {name} {panel['title']} ({reason})")
            continue
        with report.check(f"panel {name}, job {road}: {panel['title']} ({panel['id']})") as check:
            dashboards.ask(check, stack.prometheus, variables, panel)
