"""Agent to Collector and agent from Prometheus at the same time: what arrives, and with which meaning."""

import os
import time
from contextlib import ExitStack
from datetime import datetime

import catalogue
import checks_queries
import checks_restart
import host
from components import Agent, Collector, NodeExporter, Prometheus, hostmeter
from otlp import Received
from report import log, wait_for

SECOND = 1_000_000_000
# The kernel's `btime` moves by a second as the clock is disciplined.
BOOT_SLACK = 2
PROMETHEUS_OWN = {"__name__", "instance", "job", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}


def run(report, directory, options):
    metrics = catalogue.load()
    interval, seconds = (4, 30) if options.quick else (5, 60)
    with ExitStack() as stack:
        collector = stack.enter_context(Collector(directory)).start()
        node = stack.enter_context(NodeExporter(directory)).start()
        agent = stack.enter_context(Agent(
            directory, endpoint=f"http://{collector.grpc}", interval_ms=interval * 1000)).start()
        prometheus = stack.enter_context(Prometheus(
            directory, {"hostmeter": f"127.0.0.1:{agent.port}", "node": node.address}, f"{interval}s")).start()

        log(f"both roads for {seconds} s, the Collector away in the middle")
        time.sleep(seconds / 2)
        outage = checks_restart.restart(collector, agent, away=2 * interval + 1)
        time.sleep(max(seconds - (time.time() - agent.started), 2 * interval))
        # A sender that met the outage may wait for as long as its longest back-off.
        wait_for("data after the restart", 40, lambda: checks_restart.flows_after(outage, collector))
        time.sleep(2 * interval)

        checks_queries.run(report, prometheus)
        pull_road(report, metrics, prometheus)
        with report.check("the Collector's Prometheus exporter names every metric as /metrics does") as check:
            same_names(check, metrics, collector, agent)
        checks_restart.no_error_state(report, agent, outage)
        with report.check("SIGTERM with the Collector there: exit 0 within 5.5 s") as check:
            code, took = agent.stop()
            check.same("exit code", code, 0)
            check.that(took <= 5.5, f"it took {took:.1f} s")
        collector.stop()
        received = Received.from_file(collector.file)
        push_road(report, metrics, received, agent)
        checks_restart.nothing_lost(report, received, outage, interval)


def expected(report, metrics):
    """The default metrics that this host must give; the others are told with the reason."""
    reasons = {name: catalogue.absent(name) for name, m in metrics.items() if m.default}
    for name, reason in reasons.items():
        if reason:
            report.note(f"not expected on this host: {name} ({reason})")
    return [metrics[name] for name, reason in reasons.items() if not reason]


def pull_road(report, metrics, prometheus):
    told = {m["metric"]: m for m in prometheus.api("targets/metadata", match_target='{job="hostmeter"}')}
    found = {}
    for series in prometheus.api("series", **{"match[]": '{job="hostmeter"}'}):
        found.setdefault(series["__name__"], []).append(series)
    for metric in expected(report, metrics):
        with report.check(f"prometheus {metric.prometheus}") as check:
            if not check.that(metric.prometheus in found, "never arrived"):
                continue
            # In OpenMetrics, which Prometheus asks for first, the family of a counter has no ending.
            about = told.get(metric.prometheus) or told.get(metric.prometheus.removesuffix("_total"), {})
            check.same("type", about.get("type"), "counter" if metric.kind == "counter" else "gauge")
            check.that(about.get("help"), "no help text")
            must, may = catalogue.labels(metric.attributes), PROMETHEUS_OWN | catalogue.labels(metric.sometimes)
            if metric.name.startswith("process."):
                may |= catalogue.labels(catalogue.ENTITY)
            for series in found[metric.prometheus]:
                labels(check, series, must, may)
            for name, values in metric.values.items():
                label = name.replace(".", "_")
                strange = {s[label] for s in found[metric.prometheus] if label in s} - values
                check.that(not strange, f"{label} has {sorted(strange)}, outside {sorted(values)}")
    with report.check("prometheus target_info bears the resource") as check:
        names = {name for series in found.get("target_info", []) for name in series}
        for name in ("service_name", "service_version", "service_instance_id", "host_name", "os_type"):
            check.that(name in names, f"no {name}")
    strange = set(found) - {m.prometheus for m in metrics.values()}
    with report.check("prometheus shows nothing that the catalogue does not know") as check:
        # What Prometheus itself says of the scrape.
        strange = {n for n in strange if n not in ("target_info", "up") and not n.startswith("scrape_")}
        check.that(not strange, f"{sorted(strange)}")


def labels(check, series, must, may):
    have = set(series)
    check.that(must <= have, f"no label {sorted(must - have)} on {series}")
    check.that(have <= must | may, f"strange label {sorted(have - must - may)} on {series}")


def same_names(check, metrics, collector, agent):
    theirs, ours = set(collector.page().samples), set(agent.page().samples)
    known = {m.prometheus: m.prometheus for m in metrics.values()}
    missing = sorted(there for there, here in known.items() if here in ours and there not in theirs)
    check.that(not missing, f"only on /metrics: {missing}")
    more = sorted(theirs - set(known) - {"target_info"})
    check.that(not more, f"only at the Collector: {more}")


def push_road(report, metrics, received, agent):
    for metric in expected(report, metrics):
        with report.check(f"otlp {metric.name}") as check:
            every = received.of(metric.name)
            if not check.that(every, "never arrived"):
                continue
            for series in every:
                one_series(check, metric, series)
    with report.check("otlp: nothing that the catalogue does not know") as check:
        strange = received.names() - set(metrics)
        check.that(not strange, f"{sorted(strange)}")
    with report.check("otlp: everything that `hostmeter once --format otlp-json` shows arrived") as check:
        code, out, err = hostmeter("once", "--format", "otlp-json")
        check.same("exit code", code, 0)
        shown = Received.from_text(out)
        check.that(len(shown.names()) >= 20, f"it shows {len(shown.names())} metrics: {err[:200]}")
        check.that(shown.names() <= received.names(), f"{sorted(shown.names() - received.names())} did not")
        kinds = {s.name: (s.kind, s.unit) for s in received.series.values()}
        for s in shown.series.values():
            check.same(f"kind and unit of {s.name}", (s.kind, s.unit), kinds.get(s.name, (s.kind, s.unit)))
    counters = [s for s in received.series.values() if s.kind == "counter" and s.recorded()]
    with report.check("otlp: host counters start at boot") as check:
        of_host = [s for s in counters if s.name.startswith("system.")]
        check.that(of_host, "none arrived")
        for s in of_host:
            starts_at(check, s, host.boot_time(), BOOT_SLACK)
    with report.check("otlp: counters of a process start with the process") as check:
        check.that(process_starts(check, counters) >= 5, "fewer than five processes could be compared")
    with report.check("otlp: the agent's own counters start with the agent") as check:
        own = [s for s in counters if s.name.startswith("hostmeter.")]
        check.that(own, "none arrived")
        for s in own:
            starts_at(check, s, agent.started + 2, 3)
    with report.check("otlp: the start time of a series stays, its times and counters grow") as check:
        for s in received.series.values():
            grows(check, s)
    resource(report, received)


def one_series(check, metric, series):
    where = series.label()
    check.same(f"kind of {where}", series.kind, metric.kind)
    check.same(f"unit of {where}", series.unit, metric.unit)
    check.that(series.cumulative, f"{where} is not cumulative")
    check.that(series.description, f"{where} has no description")
    types = {p.type for p in series.recorded()} - {metric.value}
    check.that(not types, f"{where} has values of type {types}, not {metric.value}")
    check.same(f"attributes of {where}", set(series.attributes) - metric.sometimes, set(metric.attributes))
    for name, values in metric.values.items():
        value = series.attributes.get(name)
        check.that(value in values or name in metric.sometimes, f"{where}: {name} is outside {sorted(values)}")


def starts_at(check, series, seconds, slack):
    start = series.recorded()[0].start / SECOND
    check.that(abs(start - seconds) <= slack, f"{series.label()} starts at {start:.1f}, not {seconds:.1f}")


def process_starts(check, counters):
    """Compares with /proc/<pid>/stat, for those that still run; how many were compared."""
    compared = set()
    for s in counters:
        pid = s.resource.get("process.pid")
        started = pid and host.process_start(pid)
        if not (s.name.startswith("process.") and started):
            continue
        starts_at(check, s, started, BOOT_SLACK)
        created = datetime.fromisoformat(str(s.resource["process.creation.time"]).replace("Z", "+00:00")).timestamp()
        check.that(abs(created - started) <= BOOT_SLACK, f"process.creation.time of {pid} is off: {created}")
        compared.add(pid)
    return len(compared)


def grows(check, series):
    points, where = series.recorded(), series.label()
    check.that(len({p.start for p in points}) <= 1, f"{where} has several start times")
    for p in points:
        check.that(p.start <= p.time, f"{where} starts after its point")
    for earlier, later in zip(points, points[1:]):
        check.that(earlier.time < later.time, f"{where}: a point at {later.time} after one at {earlier.time}")
        if series.kind == "counter":
            check.that(earlier.value <= later.value, f"{where} falls from {earlier.value} to {later.value}")


def resource(report, received):
    of_host = [r for r in received.resources() if not any(k.startswith("process.") for k in r)]
    with report.check("otlp: one resource for the host, and it is this host") as check:
        [found] = of_host
        machine = os.uname().machine
        known = {
            "service.name": "hostmeter",
            "host.name": host.first_line("/etc/hostname", "/proc/sys/kernel/hostname"),
            "host.id": host.first_line("/etc/machine-id"),
            "host.arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
            "os.type": "linux",
        }
        for name, value in known.items():
            check.same(name, found.get(name), value)
        for name in ("service.version", "service.instance.id", "vm.id", "os.name", "os.version", "os.description"):
            check.that(found.get(name), f"no {name}")
    with report.check("otlp: a process is a resource of its own") as check:
        own = [r for r in received.resources() if "process.pid" in r]
        check.that(len(own) >= 5, f"only {len(own)} resources have a process.pid")
        for r in own:
            check.that(catalogue.ENTITY <= set(r), f"no {sorted(catalogue.ENTITY - set(r))} for pid {r['process.pid']}")
            check.same("service.name", r.get("service.name"), "hostmeter")
        # An exec leaves a process its pid and its creation time, and changes what it is.
        names = ("process.pid", "process.creation.time", "process.executable.name", "process.owner")
        ids = [tuple(r.get(name) for name in names) for r in own]
        check.that(len(ids) == len(set(ids)), "two resources are the same process")

