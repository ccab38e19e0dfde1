"""One line for each check, and the sum of them at the end."""

import sys
import time
from contextlib import contextmanager

# More reasons than these would hide the next check.
REASONS = 4


class Check:
    """What is wrong with one thing that was looked at; nothing, where it is good."""

    def __init__(self):
        self.problems = []

    def that(self, good, why):
        """Adds `why` unless `good`."""
        if not good:
            self.problems.append(why)
        return good

    def same(self, what, found, wanted):
        return self.that(found == wanted, f"{what} is {found!r}, not {wanted!r}")


class Report:
    """Prints `ok <name>` or `FAILED <name>: why`, and counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    @contextmanager
    def check(self, name):
        """A check that fails by `Check.that` or by any exception; the next one runs anyway."""
        check = Check()
        try:
            yield check
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong inside is the check's failure
            check.problems.append(f"{type(problem).__name__}: {problem}")
        if not check.problems:
            self.passed += 1
            print(f"ok {name}", flush=True)
            return
        self.failed += 1
        shown = "; ".join(check.problems[:REASONS])
        more = len(check.problems) - REASONS
        print(f"FAILED {name}: {shown}" + (f"; and {more} more" if more > 0 else ""), flush=True)

    @contextmanager
    def group(self, name):
        """A group of checks; one that cannot even begin is one failure, and the next group runs."""
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - as above
            with self.check(f"group {name}"):
                raise problem

    def note(self, text):
        """Something to know that is no check."""
        print(f"# {text}", flush=True)

    def sum(self):
        """The last line; the exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


def wait_for(what, seconds, probe):
    """Asks `probe` until it gives something true and returns that; a `TimeoutError` that names `what` otherwise."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            if found := probe():
                return found
        except OSError as problem:
            last = problem
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not happen within {seconds} s" + (f" ({last})" if last else ""))


def log(text):
    """Progress, for whoever watches."""
    print(f"# {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
