"""The Collector goes away in the middle of the run and comes back."""

import time
from dataclasses import dataclass

from otlp import Received

# One value a tick, of the cheapest collector.
WITNESS = "system.cpu.load_average.1m"
SECOND = 1_000_000_000


@dataclass
class Outage:
    begun: float
    ended: float
    log_before: str


def restart(collector, agent, away):
    """Ends the Collector as an upgrade would, and starts it again `away` seconds later."""
    log_before = agent.log()
    collector.stop()
    begun = time.time()
    time.sleep(away)
    collector.start()
    return Outage(begun, time.time(), log_before)


def flows_after(outage, collector):
    points = _witness(Received.from_file(collector.file))
    return any(p.time / SECOND > outage.ended for p in points)


def _witness(received):
    [series] = received.of(WITNESS)
    return series.recorded()


def nothing_lost(report, received, outage, interval):
    with report.check("restart: every tick arrived, also those of the outage, in order") as check:
        times = [p.time / SECOND for p in _witness(received)]
        check.that(times[0] < outage.begun, "nothing arrived before the outage")
        check.that(any(outage.begun < t < outage.ended for t in times), "nothing of the outage arrived")
        check.that(times[-1] > outage.ended, "nothing arrived after the outage")
        check.that(times == sorted(times), "the order of arrival is not that of time")
        for earlier, later in zip(times, times[1:]):
            # Half way between a tick that is there, which may take a snapshot up to a second old, and one missing.
            check.that(later - earlier < 1.5 * interval, f"{later - earlier:.1f} s without a point")


def no_error_state(report, agent, outage):
    with report.check("restart: no point was dropped or rejected") as check:
        page = agent.page()
        delivered = page.sum("hostmeter_export_points_total", outcome="delivered")
        check.that(delivered > 0, "nothing was delivered")
        for outcome in ("dropped", "rejected"):
            lost = sum(v for _, v in page.select("hostmeter_export_points_total", outcome=outcome))
            check.same(f"points {outcome}", lost, 0)
    with report.check("restart: the agent is ready and all its collectors are up") as check:
        status, text = agent.get("/-/ready")
        check.that(status == 200, f"/-/ready answers {status}: {text[:200]}")
        down = [labels for labels, value in page.samples.get("hostmeter_collector_up_ratio", []) if value != 1]
        check.that(not down, f"down: {down}")
    with report.check("restart: the outage is told, and not again and again") as check:
        lines = agent.log()[len(outage.log_before):].splitlines()
        check.that(1 <= len(lines) <= 4, f"{len(lines)} lines, for example {lines[:2]}")
        check.that("panicked" not in agent.log(), "something panicked")
