"""Mounts that hang, and files that are none: who scrapes has everything else, and at once."""

import os
import signal
import stat
import subprocess
import time
from contextlib import ExitStack, contextmanager

from clients import Scrapes
from components import Agent, REPO
from machine import FRESH, threads, unpack
from promtext import Page
from row import row

MOST_STUCK = 8
# Every second a fresh reading, which is when a hung mount costs something.
PAUSE = FRESH


@contextmanager
def unionfs(directory, count):
    """So many mounts, each with a daemon of its own: (mount point, pid)."""
    mounts = []
    try:
        for number in range(count):
            source, point = directory / f"branch-{number}", directory / f"union-{number}"
            source.mkdir(parents=True)
            point.mkdir()
            # In the foreground, so that its number is known.
            daemon = subprocess.Popen(["unionfs", "-f", "-o", "allow_other", source, point],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            mounts.append((point, daemon))
        for point, _ in mounts:
            end = time.monotonic() + 10
            while not os.path.ismount(point) and time.monotonic() < end:
                time.sleep(0.02)
        yield mounts
    finally:
        for point, daemon in mounts:
            # Whoever hangs in it is let go with its daemon.
            daemon.kill()
            daemon.wait()
            subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)


def series(text, without=()):
    """The series of a page, but for those of some mount points."""
    page = Page(text)
    hidden = {str(point) for point in without}
    return {(name, tuple(sorted(labels.items()))) for name, samples in page.samples.items() for labels, _ in samples
            if labels.get("system_filesystem_mountpoint") not in hidden
            # Processes come and go, and a rate needs two readings.
            and not name.startswith(("process_", "hostmeter_"))}


def shown(text, points):
    found = {labels["system_filesystem_mountpoint"]
             for labels, _ in Page(text).select("system_filesystem_limit_bytes")}
    return sum(str(point) in found for point in points)


@row("H01", "statfs hangs on 1 mount, then on 10 (50 by --long)", seconds=60, long_seconds=90)
def hung_mounts(run):
    for count in (1, 50 if run.long else 10):
        hang(run, count)


def hang(run, count):
    label = f"{count} hung"
    with ExitStack() as stack:
        mounts = stack.enter_context(unionfs(run.directory / f"mounts-{count}", count))
        points = [point for point, _ in mounts]
        agent = stack.enter_context(Agent(run.directory, f"hostmeter-{count}")).start()
        agent.page()
        time.sleep(PAUSE)
        before = agent.page_text()
        run.same(f"{label}: shown while they answer", count, shown(before, points))
        wanted = series(before, points)
        for _, daemon in mounts:
            daemon.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE)
        least, pages = [1.0], []

        def scrape():
            pages.append(agent.page_text())
            found = series(pages[-1], points)
            least[0] = min(least[0], len(wanted & found) / len(wanted))

        with Scrapes(scrape, PAUSE) as scrapes:
            time.sleep(8)
        run.at_most(f"{label}: the first scrape", 1.0, scrapes.took[0], " s")
        scrapes.told(run, label, 1.0)
        run.at_least(f"{label}: other series in every scrape", 0.95, least[0])
        run.same(f"{label}: shown while they hang", 0, shown(pages[-1], points))
        run.at_most(f"{label}: threads that hang", MOST_STUCK, threads(agent, "statfs"))
        for _, daemon in mounts:
            daemon.send_signal(signal.SIGCONT)
        cycles = 0
        while shown(agent.page_text(), points) < count and cycles < 20:
            cycles += 1
            time.sleep(PAUSE)
        run.at_most(f"{label}: cycles until all are shown again", 2, cycles)
        run.ends(agent)


# A file that one collector reads, and what the names of the series begin with that are gone without it.
FILES = {
    "proc/loadavg": ("system_cpu_load_average",),
    "proc/meminfo": ("system_memory", "system_linux_memory"),
    "proc/diskstats": ("system_disk",),
    "proc/pressure/memory": ("system_memory_linux_pressure",),
    "proc/1/net/dev": ("system_network",),
    "proc/swaps": ("system_paging",),
    "proc/sys/fs/file-nr": ("system_linux_file_descriptor",),
    "proc/731/stat": ("process_", "system_process"),
}
GIANT = 1 << 30


def to_fifo(path):
    os.mkfifo(path)


def to_device(path):
    # The kernel's zero, which never ends.
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))


def to_giant(path):
    path.touch()
    os.truncate(path, GIANT)


def to_loop(path):
    path.symlink_to(path.name)


def to_directory(path):
    path.mkdir()


KINDS = {"FIFOs": to_fifo, "devices": to_device, "1 GiB of nothing": to_giant, "links to themselves": to_loop,
         "directories": to_directory}


@row("H08", "what is no file in the place of a file", seconds=60)
def odd_files(run):
    halves = list(FILES)[::2], list(FILES)[1::2]
    for what, make in KINDS.items():
        root = run.directory / f"root-{what.replace(' ', '-')}"
        unpack(REPO / "tests/hosts/vm.txtar", root)
        with Agent(run.directory, f"hostmeter-{what}", args=("--root", str(root))).start() as agent:
            wanted, usual = timed(agent)
            lost, extra, gone = set(), [], set()
            for half in halves:
                kept = {}
                for name in half:
                    kept[name] = (root / name).rename(root / f"{name}.kept")
                    make(root / name)
                found, took = timed(agent)
                extra.append((took - usual) / len(half))
                own = tuple(prefix for name in half for prefix in FILES[name])
                lost |= {key for key in wanted - found if not key[0].startswith(own)}
                gone |= {key[0] for key in wanted - found}
                for name in half:
                    path = root / name
                    path.rmdir() if path.is_dir() else path.unlink()
                    kept[name].rename(path)
            missing = [name for name, own in FILES.items() if not any(g.startswith(own) for g in gone)]
            run.same(f"{what}: files that were missed by nobody", [], missing)
            run.same(f"{what}: series lost of other files", 0, len(lost))
            run.at_most(f"{what}: time for each", 10.0, max(0.0, *extra) * 1000, " ms")
            found, _ = timed(agent)
            run.same(f"{what}: series lost when all is good again", 0, len(wanted - found))
            run.ends(agent)


def timed(agent):
    """The series of a fresh reading but for rates, and the seconds that the page took."""
    time.sleep(FRESH)
    begun = time.monotonic()
    text = agent.page_text()
    took = time.monotonic() - begun
    found = {(name, tuple(sorted(labels.items()))) for name, samples in Page(text).samples.items()
             for labels, _ in samples if not name.startswith("hostmeter_") and "utilization" not in name}
    return found, took
