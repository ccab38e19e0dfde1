"""A row of the table: one fault, shown in a world of its own, and the figures that came out.

A file `checks_*.py` beside this one is found by itself: whoever has rows of another kind, such as D for the disk,
adds a file and changes none. Each row in it is a function:

    @row("N01", "the Collector is refused for 90 s", seconds=150)
    def refused(run):
        ...
        run.at_most("duplicates", 1, verdict.duplicated)
"""

import json
from dataclasses import dataclass
from pathlib import Path

ROWS = {}
STOPS_WITHIN = 5.5
# Of figures that are judged by a clock.
CLOCKS = (" s", " ms")


@dataclass(frozen=True)
class Row:
    id: str
    fault: str
    # How long it takes at most, before it is ended as a failure.
    seconds: int
    long_seconds: int
    # Not part of the short form.
    long_only: bool
    # It needs the machine for itself.
    alone: bool
    show: callable


def row(id, fault, seconds, long_seconds=None, long_only=False, alone=False):
    """Registers a row."""
    def register(show):
        if id in ROWS:
            raise ValueError(f"{id} twice")
        ROWS[id] = Row(id, fault, seconds, long_seconds or seconds, long_only, alone, show)
        return show
    return register


class Run:
    """What a row is given: a directory, the form, and a place for its figures."""

    def __init__(self, directory, long):
        self.directory = Path(directory)
        self.long = long
        self.figures = []

    def figure(self, what, promised, measured, good, pace=False):
        """With `pace`, a slow machine can be what is wrong with one that is not good, so that it is worth a second
        look without other rows beside it; a lost point never is."""
        self.figures.append({"what": what, "promised": promised, "measured": measured, "good": bool(good),
                             "pace": bool(pace)})

    def same(self, what, promised, measured):
        self.figure(what, str(promised), str(measured), promised == measured)

    def at_most(self, what, promised, measured, unit=""):
        """A number that must not be above what is promised; none was measured where it is None."""
        shown = "nothing measured" if measured is None else f"{_short(measured)}{unit}"
        self.figure(what, f"<= {_short(promised)}{unit}", shown, measured is not None and measured <= promised,
                    pace=unit in CLOCKS)

    def at_least(self, what, promised, measured, unit=""):
        self.figure(what, f">= {_short(promised)}{unit}", f"{_short(measured)}{unit}", measured >= promised)

    def ends(self, agent, label=""):
        """Ends the agent; whatever was done to it, it ends well."""
        code, took = agent.stop()
        panicked = "panicked" in agent.log()
        well = code == 0 and not panicked
        self.figure(f"SIGTERM{label}", f"exit 0 within {STOPS_WITHIN} s, never a panic",
                    f"exit {code}, {took:.1f} s" + (", panics" if panicked else ""),
                    well and took <= STOPS_WITHIN, pace=well)

    def write(self, path):
        Path(path).write_text(json.dumps(self.figures))


def _short(number):
    return f"{number:.2f}".rstrip("0").rstrip(".") if isinstance(number, float) else str(number)
