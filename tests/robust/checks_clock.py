"""Time: an agent that is frozen, and a wall clock that jumps."""

import os
import signal
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from components import Agent, free_port
from machine import cgroup, into
from points import Points
from receiver import Receiver
from report import wait_for
from row import row

ADDRESS = "127.0.0.1:4317"
INTERVAL = 1
FAKETIME = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def pushing(run, name, interval, address=ADDRESS, **how):
    return Agent(run.directory, name, endpoint=f"http://{address}", interval_ms=interval * 1000, **how)


def ticks_since(arrived, moment):
    return [at for at in list(arrived.arrivals) if at > moment]


@row("H14", "frozen for 15 s (60 s by --long): SIGSTOP, and the freezer", seconds=60, long_seconds=120)
def frozen(run):
    seconds, interval = 60 if run.long else 15, 2
    with ExitStack() as stack:
        own = stack.enter_context(cgroup("freezer", "frozen"))
        agents = {}
        for what, prefix in (("SIGSTOP", ()), ("freezer", into(own))):
            arrived, address = Points(), f"127.0.0.1:{free_port()}"
            stack.enter_context(Receiver(address, arrived))
            agent = pushing(run, f"hostmeter-{what}", interval, address, prefix=prefix)
            agents[what] = stack.enter_context(agent).start(), arrived
        time.sleep(5)
        pid = agents["SIGSTOP"][0].process.pid
        os.kill(pid, signal.SIGSTOP)
        (own / "freezer.state").write_text("FROZEN")
        wait_for("FROZEN", 5, lambda: (own / "freezer.state").read_text().strip() == "FROZEN")
        time.sleep(seconds)
        thawed = time.time() * 1e9
        os.kill(pid, signal.SIGCONT)
        (own / "freezer.state").write_text("THAWED")
        time.sleep(9.5)
        for what, (agent, arrived) in agents.items():
            after_thaw(run, what, arrived.ticks(), thawed, seconds)
            run.ends(agent)
            arrived.told(run, what, gone=10**18)


def after_thaw(run, what, ticks, thawed, seconds):
    gaps = [(b - a) / 1e9 for a, b in zip(ticks, ticks[1:])]
    run.same(f"{what}: cycles within a second of the thaw", 1, sum(thawed <= t < thawed + 1e9 for t in ticks))
    run.at_least(f"{what}: the gap", seconds - 2.0, max(gaps), " s")
    run.at_least(f"{what}: two ticks apart at the least", 0.95, min(gaps), " s")
    after = sum(t >= thawed for t in ticks)
    run.figure(f"{what}: cycles in 9.5 s after it", "5 or 6", str(after), after in (5, 6))


class Clock:
    """The wall clock of whoever is started with `env`; what it shows is set in a file."""

    def __init__(self, directory):
        self.file = directory / "clock"
        self.set("+0")
        self.env = {
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": 1,
            # The clocks that nobody sets stay as they are.
            "DONT_FAKE_MONOTONIC": 1, "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }

    def set(self, offset):
        # At once, so that nobody reads half of it.
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.rename(self.file)


def backwards(clock, seconds):
    """A second back each second."""
    begun = time.monotonic()
    while (past := time.monotonic() - begun) < seconds:
        clock.set(f"-{2 * past:.3f}")
        time.sleep(1)


def jump(to):
    def set_clock(clock, seconds):
        clock.set(to)
        time.sleep(seconds)
    return set_clock


def to_1969(clock, seconds):
    jump(f"-{time.time() + 86400:.0f}")(clock, seconds)


@contextmanager
def scene(run, clock, name, arrived):
    with pushing(run, name, INTERVAL, **clock.env).start() as agent:
        time.sleep(2.2)
        yield agent
        run.ends(agent)
    arrived.told(run, name, gone=10**19)


@row("H15", "the wall clock set to 1969, a day ahead and back, and back each second", seconds=80)
def set_back(run):
    # What is done, and by how much the clock is off then, perhaps after so many seconds.
    cases = {
        "1969": (to_1969, lambda _: -time.time()),
        "a day ahead": (jump("+86400"), 86400.0),
        "a day back": (jump("-86400"), -86400.0),
        "half a second ahead": (jump("+0.5"), 0.5),
        "back each second": (backwards, lambda past: -2 * past),
    }
    seconds = 7
    for name, (act, steps) in cases.items():
        clock, arrived = Clock(run.directory), Points()
        with Receiver(ADDRESS, arrived), scene(run, clock, name.replace(" ", "-"), arrived) as agent:
            begun, began = time.monotonic(), time.time()
            act(clock, seconds)
            at = ticks_since(arrived, begun)
            gaps = [b - a for a, b in zip(at, at[1:])]
            run.figure(f"{name}: ticks in {seconds} s", f"{seconds - 1} to {seconds + 1}", str(len(at)),
                       abs(len(at) - seconds) <= 1)
            run.at_most(f"{name}: between two of them", 1.2 * INTERVAL, max(gaps, default=None), " s")
            page, behind = agent.page(), time.time() - began
            shown = page.sum("hostmeter_collector_last_success_seconds", hostmeter_collector="load") - time.time()
            wanted = steps if callable(steps) else lambda _, steps=steps: steps
            run.figure(f"{name}: the agent's clock is off by", f"{wanted(behind):.1f} s", f"{shown:.1f} s",
                       abs(shown - wanted(behind)) <= 3)
