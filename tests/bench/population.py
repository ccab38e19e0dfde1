"""The processes that are there to be read: population.c, for the time of a `with`."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from install import HERE, run


def compiled():
    """Compiles the population under the names of its 50 families, each a link to one file."""
    folder = Path(tempfile.mkdtemp(prefix="hostmeter-bench-"))
    program = folder / "population"
    source = HERE / "population.c"
    run([os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", program, source], "population.c does not compile")
    for family in range(50):
        os.link(program, folder / f"worker-{family:02}")
    return program


class Population:
    """N processes of ours, for the time of a `with`."""

    def __init__(self, program, count, busy):
        self.program, self.count, self.busy = program, count, busy

    def __enter__(self):
        command = [self.program, str(self.count), str(self.busy)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("the population cannot be made; a smaller --sizes may do")
        time.sleep(1)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        while any(worker(pid) for pid in pids()):
            time.sleep(0.1)


def pids():
    return [name for name in os.listdir("/proc") if name.isdigit()]


def worker(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("worker-")
    except OSError:
        return False
