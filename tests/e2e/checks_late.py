"""A Collector that is not there when the agent starts."""

import re
import time
from contextlib import ExitStack

from checks_restart import SECOND, WITNESS
from components import Agent, Collector
from otlp import Received
from report import wait_for

INTERVAL = 3


def run(report, directory, options):
    with ExitStack() as stack:
        collector = stack.enter_context(Collector(directory, "collector-late"))
        agent = stack.enter_context(Agent(
            directory, "hostmeter-late", endpoint=f"http://{collector.grpc}", interval_ms=INTERVAL * 1000)).start()
        time.sleep(3 * INTERVAL)
        with report.check("late Collector: the agent serves /metrics and is healthy without it") as check:
            check.that(agent.alive(), "the agent has ended")
            check.that(agent.page().samples, "/metrics is empty")
            check.same("/-/healthy", agent.get("/-/healthy")[0], 200)
        with report.check("late Collector: the log says once that the agent waits for it") as check:
            lines = [line for line in agent.log().splitlines() if re.search(r"\bwait", line, re.I)]
            check.same("lines that say so", len(lines), 1)
            check.that(any(collector.grpc in line for line in lines), f"none names {collector.grpc}: {lines}")
        with report.check("late Collector: everything since the start is delivered when it comes") as check:
            collector.start()
            wait_for("delivery", 40, lambda: collector.file.exists() and collector.file.stat().st_size > 0)
            # What waited, and then a tick that never had to.
            time.sleep(2 * INTERVAL)
            collector.stop()
            [series] = Received.from_file(collector.file).of(WITNESS)
            times = [p.time / SECOND for p in series.recorded()]
            first = times[0] - agent.started
            check.that(first < INTERVAL + 1.5, f"the first point is of {first:.1f} s after the start")
            check.that(times[-1] > collector.started, "nothing newer than the Collector arrived")
            gaps = [b - a for a, b in zip(times, times[1:])]
            check.that(max(gaps, default=0) < 1.5 * INTERVAL, f"{max(gaps, default=0):.1f} s without a point")
