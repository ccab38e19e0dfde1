"""Agents with a clock of their own: held (SIGSTOP) while others have their turn, so that a turn is a cycle of one.

An interval that has passed meanwhile is made good once, and at once, when the agent is let go. What it does until it is
quiet again is its cycle: a reading on its clock with what follows from it, and a page.
"""

import re
import time

from agent import SPACING, Scraped, hold, let_go
from receiver import Receiver

#: An agent is quiet that has used less than this share of a CPU for so many looks, so many seconds apart.
QUIET, LOOKS, APART = 0.01, 3, 0.02


class Held(Scraped):
    """collectd, which reads all plugins when it is let go: a cycle is that, and a page."""

    #: Seconds of its clock. A push and a page each have a reading of their own in it, and some room.
    interval = 2.5
    held = False

    def start(self, folder):
        super().start(folder)
        self.begin()
        hold(self)
        self.held = True

    def begin(self):
        """Waits until the first reading is done."""
        time.sleep(0.3)
        self.settle()

    def stop(self):
        self.held = False
        super().stop()

    def cycle(self):
        time.sleep(max(0, self.last + self.interval - time.monotonic()))
        super().cycle()

    def turn(self):
        if not self.held:
            return super().turn()
        before, self.let_go = self.cpu(), time.time()
        let_go(self)
        try:
            self.tick()
            series = super().turn()
            self.settle()
        finally:
            hold(self)
        #: CPU seconds of this cycle; None where it was not exactly one.
        self.used = self.cpu() - before if self.one() else None
        return series

    def tick(self):
        """Waits until the reading on the agent's own clock is there."""
        self.settle()

    def one(self):
        """Whether there was one reading: the values on the page are new."""
        return max(map(int, re.findall(rb" (\d{13})$", self.page, re.MULTILINE)), default=0) / 1e3 > self.let_go

    def settle(self):
        """Waits until the agent is quiet."""
        end, quiet, before = time.monotonic() + 60, 0, self.cpu()
        while quiet < LOOKS and time.monotonic() < end:
            time.sleep(APART)
            now = self.cpu()
            quiet = quiet + 1 if now - before < QUIET * APART else 0
            before = now


class BothRoads(Held):
    """The Collector: sends OTLP to a receiver of ours, and shows what it has sent."""

    def __init__(self, name, command):
        super().__init__(name, command)
        self.receiver = Receiver()

    def begin(self):
        self.first_request()
        self.settle()

    def first_request(self):
        if not self.receiver.wait(30):
            raise self.broken("no OTLP within 30 s")

    def tick(self):
        self.receiver.clear()
        self.first_request()
        self.settle()
        self.requests = self.receiver.clear()

    def one(self):
        """A second tick, that came while the page was asked for, makes it two or one and a part."""
        return not self.receiver.clear()

    def wire(self):
        """Bytes on the wire and points of the last tick."""
        return sum(request.wire for request in self.requests), sum(request.points() for request in self.requests)


class Aligned(BothRoads):
    """hostmeter on both roads: a page reads the host anew, unless the last reading is less than a second old.

    It is asked for when that second is over, so that a cycle has two readings, as nearly always where nobody aligns
    scrapes with pushes. The ticks stand on a grid of the wall clock. The agent is let go just behind a point of it: it
    is overdue then, and the next tick is a whole interval away.
    """

    def begin(self):
        self.first_request()
        self.grid = time.time()
        self.settle()

    def cycle(self):
        time.sleep((self.grid - time.time()) % self.interval)
        Scraped.cycle(self)

    def tick(self):
        super().tick()
        time.sleep(max(0, self.requests[-1].time + SPACING - time.monotonic()))
