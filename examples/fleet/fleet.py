#!/usr/bin/env python3
"""A fleet of agents on simulated hosts, one gateway Collector, and what that costs and loses.

`run` beside this file prepares the machine and starts this program.

    hosts.py ─▶ roots ◀── hostmeter × 200 ──OTLP/gRPC──▶ gateway.yaml ─┬─ OTLP/gRPC ─▶ back end, books of all points
                                                                       └─ OTLP/HTTP ─▶ the same
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# The ways to start and to end a program are those of the tests, as are the receiver and the judgement of ticks.
sys.path += [str(REPO / "tests/e2e"), str(REPO / "tests/faults")]

from backends import GRPC, HTTP, Backends
from components import COLLECTOR, Agent, Component, environment, free_port, get
from measure import Moment, memory, per_host
from promtext import Page
from report import log, wait_for
from row import Run

AWAY = 5
# Until an agent that waits has tried again, and has sent all that has waited.
AGENTS_BEHIND = 90
# What a gateway has under way when it ends comes again or late; it ends twice, with a batch of 2 MiB each time.
UNDER_WAY = 4 << 20
# The configurations of otel-collector/ that can be looked at, and what each sends to.
GATEWAYS = {"gateway": (GRPC, HTTP), "gateway-light": (HTTP,)}


class Gateway(Component):
    """A gateway of otel-collector/ as it is, alone: where it balances, then to itself."""

    def __init__(self, directory, name, backends):
        self.port = free_port()
        worker = f"127.0.0.1:{free_port()}"
        self.health, self.telemetry = (f"127.0.0.1:{free_port()}" for _ in range(2))
        super().__init__(
            "gateway", directory, [COLLECTOR, "--config", REPO / f"otel-collector/{name}.yaml"],
            environment(
                OTELCOL_OTLP_GRPC=f"127.0.0.1:{self.port}", OTELCOL_OTLP_HTTP=f"127.0.0.1:{free_port()}",
                OTELCOL_WORKER=worker, OTELCOL_GATEWAYS=f"[{worker}]", OTELCOL_HEALTH=self.health,
                OTELCOL_TELEMETRY_PORT=self.telemetry.rpartition(":")[2], OTELCOL_STORAGE=directory / "queue",
                OTELCOL_BACKEND_GRPC=f"http://127.0.0.1:{backends.ports[GRPC]}",
                OTELCOL_BACKEND_HTTP=f"http://127.0.0.1:{backends.ports[HTTP]}/v1/metrics"))

    def probe(self):
        return get(f"http://{self.health}/")[0] == 200

    def waiting(self):
        """Bytes in the queues before the back ends."""
        return Page(get(f"http://{self.telemetry}/metrics")[1]).sum("otelcol_exporter_queue_size")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--interval", type=int, default=15, help="seconds between two requests of an agent (15)")
    parser.add_argument("--steady", type=int, default=240, help="seconds over which costs are measured (240)")
    parser.add_argument("--gateway", choices=GATEWAYS, default="gateway", help="of otel-collector/ (gateway)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    options = parser.parse_args()
    # A SIGTERM unwinds the `with` blocks that end the components, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(tempfile.mkdtemp(prefix="hostmeter-fleet-"))
    # What hosts show is in memory, as a kernel's is; the gateway's queue is on a disk.
    roots = Path(tempfile.mkdtemp(prefix="hostmeter-fleet-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    run = Run(directory, False)
    try:
        with ExitStack() as opened:
            fleet(run, options, directory, roots, opened.enter_context)
    finally:
        shutil.rmtree(roots, ignore_errors=True)
        if options.keep:
            log(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return told(run, options)


def fleet(run, options, directory, roots, started):
    backends = started(Backends(free_port(), free_port(), GATEWAYS[options.gateway]))
    gateway = started(Gateway(directory, options.gateway, backends).start())
    log(f"making {options.agents} hosts")
    hosts = started(Component("hosts", directory, [
        sys.executable, Path(__file__).with_name("hosts.py"), roots, options.agents, options.interval])).launch()
    wait_for("the hosts", 120, lambda: hosts.alive() and "ready" in hosts.log())
    log("starting the agents")
    agents = [
        started(Agent(directory / f"agent-{at:04}", endpoint=f"http://127.0.0.1:{gateway.port}",
                      interval_ms=options.interval * 1000, args=("--root", roots / f"host-{at:04}")).launch())
        for at in range(options.agents)]
    for agent in agents:
        wait_for("the agents being ready", 60, agent.is_ready)
    current(backends, options, time.time())

    log(f"{options.steady} s of every day")
    before = Moment(gateway, agents, backends)
    time.sleep(options.steady)
    cost = per_host(before, Moment(gateway, agents, backends), options)
    cost |= memory(gateway, agents)
    steady = [sum(faults) for faults in zip(*(b.judged(options.interval)[2:] for b in backends.books.values()))]

    log("the gateway is stopped, and started again")
    gateway.stop()
    time.sleep(AWAY)
    gateway.start()
    cost["seconds until every host was there again, after a restart"] = current(backends, options, time.time())

    log("the back ends are away, and the gateway is killed meanwhile")
    backends.stop()
    time.sleep(options.interval + AWAY)
    queued = gateway.waiting()
    gateway.kill()
    time.sleep(AWAY)
    gateway.start()
    backends.start()
    cost["seconds until every host was there again, after a kill"] = current(backends, options, time.time())
    end(run, options, backends, gateway, agents, steady, queued)
    print(f"# {options.gateway}.yaml, {options.agents} agents, a request each {options.interval} s, {options.steady} s measured")
    for what, (number, unit) in cost.items():
        print(f"{what:<72} {number:>10,.{2 if number < 100 else 0}f} {unit}", flush=True)


def current(backends, options, moment):
    """Waits until all back ends have of every host what was read after a moment; how long it took."""
    begun = time.monotonic()

    def all_there():
        return all(len(books.hosts) == options.agents and not books.behind(moment) for books in backends.books.values())

    wait_for("every host at every back end", AGENTS_BEHIND + 2 * options.interval, all_there)
    return time.monotonic() - begun, "s"


def end(run, options, backends, gateway, agents, steady, queued):
    """Stops the agents at once, after each has told what it has delivered, and compares."""
    def settled():
        # Of many, some always have one under way.
        return all(agent.page().sum("hostmeter_queue_batches") <= 1 for agent in agents)

    wait_for("nothing waiting in the agents", AGENTS_BEHIND, settled)
    counted = {}
    lost = dict.fromkeys(("dropped", "rejected"), 0)
    for agent in agents:
        page = agent.page()
        # Killed and not stopped, so that nothing comes after what is counted.
        agent.kill()
        [(labels, _)] = page.select("target_info")
        counted[labels["service_instance_id"]] = page.sum("hostmeter_export_points_total", outcome="delivered")
        for outcome in lost:
            lost[outcome] += sum(value for _, value in page.select("hostmeter_export_points_total", outcome=outcome))
    wait_for("the gateway's queues being empty", AGENTS_BEHIND, lambda: gateway.waiting() == 0)
    # What has left the queue is still under way.
    time.sleep(2)
    run.at_least("bytes in the gateway's queues when it was killed", 1, int(queued))
    run.same("points that agents have dropped or been refused", 0, int(sum(lost.values())))
    run.same("points twice and out of order at back ends, before anything was restarted", [0, 0], steady)
    for name, books in backends.books.items():
        ticks, missing, again, disorder = books.judged(options.interval)
        run.same(f"{name}: hosts", options.agents, len(books.hosts))
        run.same(f"{name}: ticks lost, of {ticks:,}", 0, missing)
        arrived = books.points()
        short = sum(max(0, points - arrived.get(host, 0)) for host, points in counted.items())
        run.same(f"{name}: points that agents count as delivered and that did not arrive, of {sum(counted.values()):,.0f}",
                 0, int(short))
        points, size = books.totals()
        under_way = int(UNDER_WAY * points / size)
        run.at_most(f"{name}: points twice, of {points:,}", under_way, again)
        run.at_most(f"{name}: points out of order, of {points:,}", under_way, disorder)


def told(run, options):
    for figure in run.figures:
        print(f"{'ok' if figure['good'] else 'FAILED':<6} {figure['what']}: {figure['measured']} (promised {figure['promised']})")
    if options.json:
        rows = [{"row": "fleet", "fault": f"{options.agents} agents and a gateway that is restarted"} | f for f in run.figures]
        Path(options.json).write_text(json.dumps(rows))
    passed = sum(figure["good"] for figure in run.figures)
    print(f"{passed} passed, {len(run.figures) - passed} failed", flush=True)
    return 0 if passed == len(run.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
