"""The real Collector, killed and refusing."""

import time

from components import Collector
from oracle import WITNESS, in_order
from otlp import Received
from report import wait_for
from row import row
from world import agent

# Without the processor that answers before the data is written: what that one has at a SIGKILL is lost by it.
UNBATCHED = "--set=service.pipelines.metrics.processors=[memory_limiter]"


def ticks(collector):
    """The witness's points, in order of arrival."""
    if not collector.file.exists():
        return []
    series = Received.from_text(collector.file.read_text()).of(WITNESS)
    return [point.time for one in series for point in one.recorded()]


def arrived_since(collector, moment):
    return any(tick / 1e9 > moment for tick in ticks(collector))


def finish(run, subject, collector, duplicates):
    run.ends(subject)
    collector.stop()
    times = ticks(collector)
    lost, doubled, disorder = in_order(times, 1)
    run.at_most(f"lost of {len(times) - doubled + lost} ticks", 0, lost)
    run.at_most("duplicates", duplicates, doubled)
    run.at_most("out of order", 0, disorder)


@row("C01", "a real Collector, killed three times", seconds=150)
def killed(run):
    with Collector(run.directory, extra=[UNBATCHED]) as collector:
        collector.start()
        with agent(run, f"http://{collector.grpc}") as subject:
            subject.start()
            for _ in range(3):
                time.sleep(4.3)
                collector.kill()
                time.sleep(5)
                collector.start()
            started = time.time()
            wait_for("what waited", 60, lambda: arrived_since(collector, started))
            time.sleep(2)
            finish(run, subject, collector, duplicates=3)


@row("C02", "a real Collector whose memory limiter refuses for 20 s", seconds=150)
def limited(run):
    narrow = ["--set=processors.memory_limiter.limit_mib=2", "--set=processors.memory_limiter.spike_limit_mib=1"]
    with Collector(run.directory, extra=[UNBATCHED, *narrow]) as collector:
        collector.start()
        # The limiter looks at the memory once a second.
        time.sleep(3)
        with agent(run, f"http://{collector.grpc}") as subject:
            subject.start()
            time.sleep(20)
            refusing = ticks(collector)
            run.same("ticks it took while refusing", 0, len(refusing))
            said = "the peer answers Unavailable" in subject.log()
            run.figure("the log", "says that it refuses", "says so" if said else "does not", said)
            collector.stop()
            for option in narrow:
                collector.argv.remove(option)
            collector.start()
            started = time.time()
            wait_for("what waited", 60, lambda: arrived_since(collector, started))
            time.sleep(2)
            finish(run, subject, collector, duplicates=0)
