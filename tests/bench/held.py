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
#: Seconds behind a point of the grid that are just behind it.
LATE = 0.1


class Held(Scraped):
    """collectd, which reads all plugins when it is let go: a cycle is that, and a page."""

    #: Seconds of its clock: room for a push and a page, each with a reading of its own.
    interval = 3.0
    #: The same, where there are many processes.
    long = 5.0
    held = False

    def size(self, count):
        """Before a start: how many processes there will be. A cycle that takes longer than an interval would be two."""
        self.interval = 3.0 if count < 5000 else self.long

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

    def due(self):
        return max(0, self.last + self.interval - time.monotonic())

    def turn(self):
        if not self.held:
            return super().turn()
        before, self.begun = self.cpu(), time.time()
        let_go(self)
        try:
            self.tick()
            series = super().turn()
            self.settle()
        finally:
            hold(self)
        #: CPU seconds of this turn, and how many cycles it was.
        self.used, self.cycles = self.cpu() - before, self.count()
        return series

    def tick(self):
        """Waits until the reading on the agent's own clock is there."""
        self.settle()

    def count(self):
        """One, if the values on the page are new."""
        times = re.findall(rb" (\d{13})$", self.page, re.MULTILINE)
        return int(max(map(int, times), default=0) / 1e3 > self.begun)

    def settle(self):
        """Waits until the agent is quiet."""
        end, quiet, before = time.monotonic() + self.interval / 2, 0, self.cpu()
        while quiet < LOOKS and time.monotonic() < end:
            time.sleep(APART)
            now = self.cpu()
            quiet = quiet + 1 if now - before < QUIET * APART else 0
            before = now


class BothRoads(Held):
    """The Collector: sends OTLP to a receiver of ours, and shows what it has sent."""

    long = 20.0

    def __init__(self, name, command):
        super().__init__(name, command)
        self.receiver = Receiver()

    def start(self, folder):
        # What an agent of an earlier start has sent last.
        self.receiver.clear()
        super().start(folder)

    def begin(self):
        self.first_request()
        self.settle()

    def first_request(self):
        if not self.receiver.wait(60):
            raise self.broken("no OTLP within a minute")

    def tick(self):
        self.receiver.clear()
        self.first_request()
        self.settle()
        self.requests = self.receiver.clear()

    def count(self):
        """A request is a cycle. What was begun when it was held is made an end of in the next turn, so that the sum over
        many turns is that of whole cycles."""
        return len(self.requests) + len(self.receiver.clear())

    def wire(self):
        """Bytes on the wire and points of the last push."""
        return sum(request.wire for request in self.pushed()), sum(request.points() for request in self.pushed())

    def pushed(self):
        """The requests of one push: each is one, and a turn may have two."""
        return self.requests[-1:]


class Aligned(BothRoads):
    """hostmeter on both roads: a page reads the host anew, unless the last reading is less than a second old.

    It is asked for when that second is over, so that a cycle has two readings, as nearly always where nobody aligns
    scrapes with pushes. The ticks stand on a grid of the wall clock. The agent is let go just behind a point of it: it
    is overdue then, and the next tick is a whole interval away.
    """

    long = 8.0

    def begin(self):
        """Where the grid is the first reading says. When its request comes says nothing: with 10,000 processes seconds
        lie between the two, at the first one more than at the others."""
        self.first_request()
        self.settle()
        self.grid = min(request.began() for request in self.receiver.clear())

    def due(self):
        wait = (self.grid - time.time()) % self.interval
        return 0 if self.interval - wait < LATE else wait

    def tick(self):
        super().tick()
        time.sleep(max(0, self.requests[-1].time + SPACING - time.monotonic()))

    def pushed(self):
        """Many processes are sent in parts."""
        return self.requests

    def count(self):
        """None, if a second tick came while the page was asked for: a page in it has no reading of its own."""
        return int(not self.receiver.clear())
