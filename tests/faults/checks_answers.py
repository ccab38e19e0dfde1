"""What a peer may answer, every case of it, and what the size of a request has to do with it."""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

from google.protobuf.message import DecodeError

from oracle import Arrived, decode
from receiver import Receiver, refuse
from report import log, wait_for
from row import row
from world import ADDRESS, agent, finish, settled

# What else is collected would only cost time, eighty times.
IDLE = {f"COLLECTOR_{name}_ENABLED": "false" for name in (
    "CPU", "DISK", "FILESYSTEM", "MEMORY", "NETWORK", "PAGING", "PRESSURE", "PROCESS", "SYSTEM")}
EVERY = 3
# A second for the machine and for the agent's own steps between two calls.
SLACK = 1.0
WISHES = (None, 0, 2, 45, 600)
PASSES, BATCH, US, RESOURCES = (1, 4, 10, 11, 14, 15), (3, 6), (2, 5, 7, 9, 12, 13, 16), 8
MIB = 1 << 20


def expected(code, wish):
    """Whether the same request comes again, and between which seconds the next call does."""
    if code in PASSES or (code == RESOURCES and wish is not None):
        if not wish:
            return True, 0.5, 1
        wish = min(wish, 300)
        return True, wish, wish * 1.3
    return (False, 30, 33) if code in US else (False, 0, EVERY)


class Case:
    """The calls of one agent; the first is refused."""

    def __init__(self, code, wish):
        self.code = code
        self.wish = wish
        self.calls = []

    def answer(self, message, context):
        self.calls.append(decode(message, time.time(), ""))
        if len(self.calls) == 1:
            refuse(context, self.code, self.wish)
        return 0

    def decided(self):
        """Whether it has been called again and has told of what it dropped."""
        return len(self.calls) >= 2 and (self.calls[1].digest == self.calls[0].digest
                                         or any(call.outcomes.get("dropped") for call in self.calls[1:]))

    def wrong(self, until):
        """What the agent did against the table, seen until a moment."""
        again, least, most = expected(self.code, self.wish)
        name = f"code {self.code}, RetryInfo {self.wish}"
        if not self.calls:
            return f"{name}: never called"
        first = self.calls[0]
        if len(self.calls) == 1:
            waited = until - first.at
            return None if waited < least else f"{name}: no second call within {waited:.1f} s"
        waited = self.calls[1].at - first.at
        if (self.calls[1].digest == first.digest) != again:
            return f"{name}: the same request {'did not come' if again else 'came'} again"
        if not least - 0.05 <= waited <= most + SLACK:
            return f"{name}: {waited:.2f} s and not {least} to {most}"
        dropped = max(call.outcomes.get("dropped", 0) for call in self.calls)
        if dropped != (0 if again else first.points):
            return f"{name}: {dropped:.0f} points are counted as dropped"
        return None


@row("N09", "16 codes x 5 cases of RetryInfo", seconds=240, long_seconds=600, alone=True)
def every_code(run):
    cases = {f"{code}-{wish}": Case(code, wish) for code in range(1, 17) for wish in WISHES}

    def answer(message, context):
        return cases[dict(context.invocation_metadata())["x-case"]].answer(message, context)

    with Receiver(ADDRESS, Arrived(), answer), ExitStack() as stack:
        for name in cases:
            stack.enter_context(agent(run, name=f"case-{name}", interval=EVERY, OTEL_METRICS_EXPORTER="otlp",
                                      OTEL_EXPORTER_OTLP_HEADERS=f"x-case={name}", **IDLE)).launch()
            # All at once would be late by the machine and not by the agent.
            time.sleep(0.1)
        # The cap of a peer's wish is five minutes. The short form sees that nothing comes for a good minute.
        soon = [case for case in cases.values() if run.long or expected(case.code, case.wish)[1] < 60]
        try:
            wait_for("the second calls", 420 if run.long else 90, lambda: all(case.decided() for case in soon))
        except TimeoutError as problem:
            log(problem)
        end = time.time()
        wrong = [problem for case in cases.values() if (problem := case.wrong(end))]
    for problem in wrong:
        log(problem)
    run.same("as the table says", "80 of 80", f"{len(cases) - len(wrong)} of {len(cases)}")


@row("N10", "the peer rejects 7 points of each request", seconds=90)
def partial_success(run):
    arrived = Arrived()
    with Receiver(ADDRESS, arrived, lambda message, context: 7), agent(run) as subject:
        subject.start()
        wait_for("ten requests", 40, lambda: len(arrived) >= 10)
        last = arrived.all()[-1]
        answered = arrived.all().index(last) - last.waiting
        run.same("points counted as rejected", 7 * answered, int(last.outcomes.get("rejected", 0)))
        finish(run, subject, arrived)


# From a process of little memory, so that ten thousand of them have little too.
HERD = """
import os, signal
for _ in range(10_000):
    if os.fork() == 0:
        break
signal.pause()
"""


def herd_is_there():
    # Counting them is work as well, which they need for themselves.
    time.sleep(1)
    return sum(name.isdigit() for name in os.listdir("/proc")) > 10_000


@row("N11", "10,000 processes, a server that takes 4 MiB", seconds=400, alone=True)
def crowded(run):
    # They end with this row's world.
    subprocess.Popen([sys.executable, "-S", "-E", "-c", HERD], stdin=subprocess.DEVNULL)
    arrived, processes, lock = Arrived(), {}, threading.Lock()

    def answer(message, context):
        try:
            request = decode(message, time.time(), "")
        except DecodeError:
            refuse(context, 3)
        with lock:
            for pid, when in request.processes:
                processes.setdefault(when // 1_000_000_000, set()).add(pid)
        return 0

    def most():
        with lock:
            return max(map(len, processes.values()), default=0)

    wait_for("10,000 processes", 150, herd_is_there)
    with Receiver(ADDRESS, arrived, answer, options=[("grpc.max_receive_message_length", 4 * MIB)]), agent(
            run, interval=10, HOSTMETER_COLLECTORS__PROCESS__VIEW="all",
            HOSTMETER_COLLECTORS__PROCESS__CEILING=20_000) as subject:
        subject.start()
        # A tick for which the collector was late, on a busy machine, has a gap and tells nothing of sizes.
        try:
            wait_for("a tick with all of them", 150, lambda: most() >= 10_000)
        except TimeoutError as problem:
            log(problem)
        time.sleep(15)
        page = subject.page()
        run.at_least("processes told of in one tick", 10_000, most())
        dropped = sum(value for _, value in page.select("hostmeter_export_points_total", outcome="dropped"))
        run.same("points refused for their size", 0, int(dropped))
        run.at_most("the largest request", 2.0, max(r.size for r in arrived.all()) / MIB, " MiB")
        run.ends(subject)


@row("N12", "a server that counts pings, for 30 min", seconds=2000, long_only=True)
def ping_strikes(run):
    arrived = Arrived()
    options = [("grpc.http2.min_recv_ping_interval_without_data_ms", 300_000), ("grpc.http2.max_ping_strikes", 2)]
    with Receiver(ADDRESS, arrived, options=options), agent(run, interval=15) as subject:
        subject.start()
        time.sleep(1800)
        # Connections are replaced after about ten minutes, and then on purpose.
        run.at_most("connections", 4, len({r.peer for r in arrived.all()}))
        settled(arrived, time.time() - 20)
        finish(run, subject, arrived, interval=15)
