"""A backlog of a day, two agents for one directory, clocks that jump, and restarts."""

import math
import subprocess
import threading
import time
from pathlib import Path

from disk import DRIVER, Auditor, books, gone, on_disk, records, sh
from oracle import Arrived, in_order
from peers import Peer, silent
from receiver import Receiver
from report import wait_for
from row import row
from world import ADDRESS, finish, memory_growth, settled

DAY, BATCH = 5760, 35_000
LATENCY = 0.05
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@row("D09", "a backlog of 35 kB batches: 1,000 (a day's 5,760)", seconds=200, long_seconds=900, alone=True)
def backlog(run):
    directory, count, arrived = run.directory / "queue", DAY if run.long else 1000, Arrived()
    subprocess.run([DRIVER, "fill", directory, str(count), str(BATCH)], check=True, stdout=subprocess.DEVNULL)
    sizes = [len(payload) for payload in records(directory)]
    run.figure("what waits", f"{count} batches of about 35 kB", f"{len(sizes)} of {sum(sizes) // len(sizes)} B",
               len(sizes) == count and 30_000 < sum(sizes) / count < 40_000)

    def slowly(message, context):
        time.sleep(LATENCY)
        return 0

    scrapes, end = [], threading.Event()
    # A quiet agent of the same size, before there is anybody to drain to, is what its memory is measured from.
    with on_disk(run, directory, interval=15) as subject, Auditor(subject) as auditor:
        subject.start()
        time.sleep(5)
        scraper = threading.Thread(target=scrape, args=(subject, scrapes, end), daemon=True)
        scraper.start()
        with memory_growth(subject) as grown, Receiver(ADDRESS, arrived, slowly):
            begun = time.time()
            wait_for("the first", 30, lambda: len(arrived))
            first = arrived.all()[0].at
            wait_for("all of it", 800 if run.long else 120, lambda: len(arrived) >= count)
            took = arrived.all()[count - 1].at - first
            end.set()
            scraper.join()
            settled(arrived, begun)
            gone(run, subject)
            subject.stop()
    auditor.figure(run)
    rate = (count - 1) / took
    run.at_most("requests each second", 50.0, rate)
    run.at_most("a day is drained in", 10.0, DAY / rate / 60, " min")
    ticks = [tick for request in arrived.all()[:count] for tick in request.ticks]
    lost, doubled, disorder = in_order(ticks, 15)
    run.same("lost, doubled, out of order", "0, 0, 0", f"{lost}, {doubled}, {disorder}")
    scrapes.sort()
    run.at_most(f"/metrics meanwhile, p99 of {len(scrapes)}", 50.0, scrapes[len(scrapes) * 99 // 100] * 1000, " ms")
    run.at_most("memory grows by", 8.0, grown[0], " MiB")


def scrape(subject, took, end):
    while not end.wait(0.1):
        begun = time.monotonic()
        subject.page_text()
        took.append(time.monotonic() - begun)


@row("D10", "two agents for one directory; a segment of another version", seconds=90)
def two(run):
    directory, arrived = run.directory / "queue", Arrived()
    directory.mkdir()
    foreign = bytearray(76)
    foreign[:12] = b"hmqueue\n" + (99).to_bytes(4, "little")
    foreign[12:16] = crc32c(foreign[:12]).to_bytes(4, "little")
    (directory / "00000000000000000007.log").write_bytes(foreign + b"what version 99 says")
    with on_disk(run, directory) as subject, on_disk(run, directory, name="second") as second:
        subject.start()
        run.figure("a segment of version 99", "is kept, and the agent starts",
                   ", ".join(path.name for path in directory.iterdir() if b"what version 99" in path.read_bytes()),
                   any(b"what version 99" in path.read_bytes() for path in directory.iterdir()))
        begun = time.monotonic()
        second.launch()
        code = second.process.wait(10)
        run.at_most("the second ends within", 1.0, time.monotonic() - begun, " s")
        run.same("its exit code", 3, code)
        named = f"the process {subject.process.pid} has it" in second.log()
        run.figure("its last words", "name the first one's number", second.log().strip()[-60:], named)
        with Receiver(ADDRESS, arrived):
            settled(arrived, time.time())
            time.sleep(3)
            finish(run, subject, arrived)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@row("D11", "the wall clock jumps two days ahead and back, and a boot between", seconds=150)
def clock(run):
    directory, arrived, offset = run.directory / "queue", Arrived(), run.directory / "offset"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    other = run.directory / "boot_id"
    other.write_text(("0" if boot_id[0] != "0" else "1") + boot_id[1:])
    faked = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": offset, "FAKETIME_NO_CACHE": 1,
             "FAKETIME_DONT_FAKE_MONOTONIC": 1}
    offset.write_text("+0d")
    with on_disk(run, directory, **faked) as subject:
        waited = []
        for start, jump in (("+0d", "+2d"), ("-2d", "+0d"), ("+2d", "+2d"), ("-2d", "-2d")):
            offset.write_text(start)
            subject.start()
            time.sleep(3)
            offset.write_text(jump)
            time.sleep(3)
            waited.append(books(subject).collected)
            subject.stop()
            if len(waited) == 2:
                # The rest is another boot, as far as the agent can see.
                sh("mount", "--bind", other, "/proc/sys/kernel/random/boot_id")
        left = len(records(directory))
        with Receiver(ADDRESS, arrived):
            subject.start()
            settled(arrived, time.time())
            found = books(subject)
            subject.stop()
    run.at_least("batches that waited through it", 16, left)
    run.same("points dropped", {}, found.dropped)
    run.same("points that add up", 0, found.missing())
    run.same("batches that are lost", 0, max(0, left - len(arrived)))


def restart(run, between):
    """SIGTERM while the receiver is away in some way, and another run."""
    directory, arrived = run.directory / "queue", Arrived()
    with on_disk(run, directory) as subject:
        with Receiver(ADDRESS, arrived):
            subject.start()
            wait_for("deliveries", 20, lambda: len(arrived) >= 3)
        with between():
            time.sleep(6)
            before, asked = books(subject), time.time()
            run.ends(subject, " meanwhile")
            subject.start()
            away = time.time() - asked
            after = books(subject)
            run.at_least("points collected, as the next run counts them", before.collected, after.collected)
            run.at_least("points delivered, too", before.delivered, after.delivered)
            time.sleep(2)
        with Receiver(ADDRESS, arrived):
            settled(arrived, time.time())
            gone(run, subject)
            # Ticks at which there was no agent are nobody's.
            finish(run, subject, arrived, duplicates=1, lost=math.ceil(away))


class Nobody:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@row("L01a", "a restart while nobody listens", seconds=120)
def restart_refused(run):
    restart(run, Nobody)


@row("L01b", "a restart while the receiver hangs", seconds=120)
def restart_hanging(run):
    restart(run, lambda: Peer(ADDRESS, silent))
