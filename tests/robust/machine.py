"""What a row does to the machine, and what only somebody beside the agent can see of it."""

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Longer than a snapshot is shared.
FRESH = 1.0
CGROUPS = Path("/sys/fs/cgroup")

# Thousands of processes that do nothing, with one fork and no exec each. They end when their maker does.
SLEEPERS = """
import ctypes, os, signal, sys
for _ in range(int(sys.argv[1])):
    if not os.fork():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        signal.pause()
print("ready", flush=True)
sys.stdin.read()
"""


def procs(path, key):
    """A number of a file of `name: number kB` lines, in bytes."""
    return int(Path(path).read_text().split(f"{key}:")[1].split()[0]) * 1024


def resident(agent):
    return procs(f"/proc/{agent.process.pid}/status", "VmRSS")


def private(agent):
    """Bytes that nobody else has: what a leak grows."""
    rollup = f"/proc/{agent.process.pid}/smaps_rollup"
    return procs(rollup, "Private_Clean") + procs(rollup, "Private_Dirty")


def descriptors(agent):
    return len(os.listdir(f"/proc/{agent.process.pid}/fd"))


def threads(agent, name=None):
    """How many, or how many of that name."""
    names = []
    for task in Path(f"/proc/{agent.process.pid}/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            pass
    return len(names) if name is None else names.count(name)


def cpu_seconds(agent):
    fields = Path(f"/proc/{agent.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def slope(samples):
    """The line of least squares through (x, y): its growth of y with x."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    return (sum((x - mean_x) * (y - mean_y) for x, y in samples)
            / sum((x - mean_x) ** 2 for x, _ in samples))


@contextmanager
def sleepers(count):
    """So many processes."""
    maker = subprocess.Popen(["python3", "-S", "-c", SLEEPERS, str(count)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    try:
        if maker.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{count} processes cannot be made")
        yield
    finally:
        maker.kill()
        maker.wait()


@contextmanager
def cgroup(controller, name, **settings):
    """A cgroup of version 1 with these settings, `__` written for `.`; whoever is in it at the end is killed."""
    own = CGROUPS / controller / f"hostmeter-{name}-{os.getpid()}-{time.monotonic_ns()}"
    own.mkdir()
    try:
        for key, value in settings.items():
            (own / key.replace("__", ".")).write_text(str(value))
        yield own
    finally:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for pid in (own / "cgroup.procs").read_text().split():
                try:
                    os.kill(int(pid), 9)
                except ProcessLookupError:
                    pass
            try:
                own.rmdir()
                break
            except OSError:
                time.sleep(0.1)


def into(own):
    """What starts a program within a cgroup."""
    return ("sh", "-c", f"echo $$ >{own}/cgroup.procs && exec \"$@\"", "sh")


class Repeated:
    """Does something again and again, after a pause each time, while the block runs; what went wrong is raised at
    its end."""

    def __init__(self, act, pause):
        self.act, self.pause, self.times, self.problem = act, pause, 0, None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self._end.wait(self.pause()):
                self.act()
                self.times += 1
        except Exception as problem:  # noqa: BLE001 - told in the row's own thread
            self.problem = problem

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        if self.problem:
            raise self.problem


def unpack(archive, root):
    """Writes the files of a recorded host, as `tests/support/txtar.rs` does."""
    path, content = None, []

    def write():
        if path is None:
            return
        name, _, target = path.partition(" -> ")
        plain = name.removesuffix(" (escaped)")
        file = root / plain
        file.parent.mkdir(parents=True, exist_ok=True)
        if target:
            file.symlink_to(target)
        elif plain != name:
            text = "".join(content).removesuffix("\n")
            file.write_bytes(text.encode().decode("unicode_escape").encode("latin-1") if text.isascii()
                             else text.encode())
        else:
            file.write_text("".join(content))

    for line in archive.read_text().splitlines(keepends=True):
        if line.startswith("-- ") and line.rstrip().endswith(" --"):
            write()
            path, content = line.strip()[3:-3], []
        else:
            content.append(line)
    write()
