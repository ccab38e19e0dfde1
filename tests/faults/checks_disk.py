"""Disks that are full, broken, gone or too small, and an agent that nobody lets end in peace."""

import gzip
import hashlib
import random
import subprocess
import time
from pathlib import Path

from disk import (
    DRIVER, MIB, Auditor, books, du, gone, mount_small, mount_tmpfs, on_disk, records, sh, watched,
)
from oracle import Arrived, judge
from receiver import Receiver
from report import wait_for
from row import row
from world import ADDRESS, finish, settled

# Seconds after which a disk that is sound again is in use.
BACK = 30.0


# Each resource says it again, so that a few hundred points make nearly a hundred kilobytes.
HEAVY = {"OTEL_RESOURCE_ATTRIBUTES": f"filler={'x' * 9000}", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}


class Writer:
    """The driver, killed again and again; what it said is the truth that the directory is held against."""

    def __init__(self, directory, most, settles):
        self.directory = directory
        self.most = most
        # Batches that it hands out at the most after it has appended one, two or three.
        self.settles = settles
        self.next = 1
        self.begun, self.appended, self.handed = set(), set(), set()
        self.dropped = 0
        # The last that was handed out, how many came again after the last kill, and after the worst one.
        self.last = self.again = self.worst = 0
        self.disorder = self.starts = self.kills = 0
        self.opened, self.wrong, self.lost = [], [], 0

    def cycle(self, argv, chance=None):
        process = subprocess.Popen([DRIVER, *map(str, argv)], stdout=subprocess.PIPE, text=True)
        ahead = ""
        if chance is not None:
            self.kills += 1
            # Some before it is open, most in the midst of its work.
            if chance.random() < 0.9:
                ahead = process.stdout.readline()
            time.sleep(chance.uniform(0.001, 0.05))
            process.kill()
        out, _ = process.communicate()
        self.again = 0
        for line in (ahead + out).splitlines():
            self.take(line.split())
        self.worst = max(self.worst, self.again)

    def take(self, words):
        word, number = words[0], int(words[1])
        if word == "open":
            self.starts += 1
            self.opened.append(number)
            taken, left, waiting, lost = map(int, words[2:])
            self.lost = lost
            if taken != left + waiting:
                self.wrong.append(words)
        elif word == "begin":
            self.begun.add(number)
            self.next = number + 1
        elif word == "in":
            self.appended.add(number)
        elif word == "out":
            self.again += number in self.handed
            self.disorder += number < self.last
            self.handed.add(number)
            self.last = number
        elif word == "dropped":
            self.dropped = number

    def run(self, kills, chance):
        for _ in range(kills):
            self.cycle(["write", self.directory, self.most, self.next, self.settles], chance)
        self.cycle(["drain", self.directory, self.most])


@row("D01a", "SIGKILL within 50 ms, 300 times (1,000), of a writer", seconds=200, long_seconds=600)
def killed(run):
    chance = random.Random(1)
    # Much room on the machine's disk; and little, and more that comes than goes, so that dropping the oldest is part
    # of the work however slow the machine is.
    roomy = Writer(run.directory / "roomy", 1 << 40, settles=4)
    tight = Writer(mount_tmpfs(run.directory / "tight"), MIB, settles=2)
    roomy.run(600 if run.long else 180, chance)
    tight.run(400 if run.long else 120, chance)
    both = (roomy, tight)
    kills = sum(writer.kills for writer in both)
    run.same("batches that were taken in and are gone", 0, len(roomy.appended - roomy.handed))
    missing = tight.appended - tight.handed
    run.figure("the same, where the oldest had to go", "<= those that it counts as dropped",
               f"{len(missing)} of {tight.dropped}", 0 < len(missing) <= tight.dropped)
    run.at_least("batches taken in", 5 * kills, sum(len(writer.appended) for writer in both))
    run.at_most("duplicates for each kill", 1, max(writer.worst for writer in both))
    run.at_most("out of order", 0, sum(writer.disorder for writer in both))
    run.same("starts at which the books do not add up", 0, sum(len(writer.wrong) for writer in both))
    interrupted = sum(len(writer.begun - writer.appended) for writer in both)
    lost = sum(writer.lost for writer in both)
    run.figure("counted as lost", "<= those that were on their way in", f"{lost} of {interrupted}", lost <= interrupted)
    # All that were not killed before they could say so, and the last to look.
    run.at_least(f"starts that follow {kills} kills", kills * 8 // 10, sum(writer.starts for writer in both))
    # A machine's disk may stall once in hundreds of times, whoever writes to it.
    opens = sorted(number / 1000 for writer in both for number in writer.opened)
    run.at_most("opens within, but for 1 in 100", 200.0, opens[len(opens) * 99 // 100], " ms")
    run.at_most("and the slowest", 1000.0, opens[-1], " ms")


@row("D01b", "SIGKILL of the agent, 10 times (50)", seconds=200, long_seconds=600)
def agent_killed(run):
    chance, directory, arrived = random.Random(2), run.directory / "queue", Arrived()
    kept, kills, slow = set(), 50 if run.long else 10, 0.0
    with on_disk(run, directory) as subject:
        for cycle in range(kills):
            begun = time.monotonic()
            subject.start()
            slow = max(slow, time.monotonic() - begun)
            # A peer that is there now and then, so that it dies while it acknowledges too.
            if cycle % 2:
                with Receiver(ADDRESS, arrived):
                    time.sleep(chance.uniform(0.5, 2.5))
                    subject.kill()
            else:
                time.sleep(chance.uniform(1.0, 3.0))
                subject.kill()
            kept |= {hashlib.sha256(gzip.decompress(payload)).digest() for payload in records(directory)}
        with Receiver(ADDRESS, arrived):
            subject.start()
            healed = time.time()
            settled(arrived, healed)
            gone(run, subject)
            # A tick that was being written when it died, or while it was not there, is none of the disk's.
            finish(run, subject, arrived, duplicates=kills, lost=kills)
    there = {request.digest for request in arrived.all()}
    run.at_least("batches found on disk after a kill", kills, len(kept))
    run.same("of these lost", 0, len(kept - there))
    run.at_most("ready after a kill within", 2.0, slow, " s")


@row("D05", "a disk of 20 MiB is full, and has room again", seconds=150)
def full(run):
    kind = mount_small(run.directory / "disk")
    arrived, hog = Arrived(), run.directory / "disk/hog"
    with on_disk(run, run.directory / "disk/queue") as subject, Auditor(subject) as auditor:
        subject.start()
        wait_for("batches on disk", 20, lambda: len(records(run.directory / "disk/queue")) >= 3)
        with hog.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
        begun = time.time()
        wait_for("a line about it", 10, lambda: "takes nothing" in subject.log())
        run.at_most(f"in memory instead ({kind})", 2.0, time.time() - begun, " s")
        before = books(subject).waiting
        time.sleep(10)
        run.at_least("points that wait, and more meanwhile", before + 1, books(subject).waiting)
        hog.unlink()
        returns(run, subject)
        with Receiver(ADDRESS, arrived):
            settled(arrived, time.time())
            time.sleep(1)
            gone(run, subject)
            finish(run, subject, arrived)
    auditor.figure(run)


def returns(run, subject):
    """The disk is sound again."""
    healed = time.time()
    wait_for("the disk in use again", 60, lambda: "on disk again" in subject.log())
    run.at_most("on disk again", BACK, time.time() - healed, " s")


def broken(run, fault, later):
    """The C library refuses to write, in one way for 12 s and in another for as long, and then the receiver is there."""
    control, arrived = run.directory / "fiu", Arrived()
    prefix = ("fiu-run", "-x", "-f", control, "-c", fault)
    with on_disk(run, run.directory / "queue", prefix=prefix) as subject, Auditor(subject) as auditor:
        subject.start()
        time.sleep(12)
        sh("fiu-ctrl", "-f", control, "-c", later, subject.process.pid)
        time.sleep(12)
        run.figure("the disk", "fails", "fails" if "takes nothing" in subject.log() else "holds",
                   "takes nothing" in subject.log())
        with Receiver(ADDRESS, arrived):
            settled(arrived, time.time())
            time.sleep(10)
            gone(run, subject)
            finish(run, subject, arrived)
    auditor.figure(run)


@row("D06a", "20 % of the writes fail, with ENOSPC and then with EIO", seconds=150)
def writes_fail(run):
    broken(run, *(f"enable_random name=posix/io/rw/pwrite*,probability=0.2,failinfo={code}" for code in (28, 5)))


@row("D06b", "every sync fails with EIO", seconds=150)
def syncs_fail(run):
    broken(run, *("enable name=posix/io/sync/*,failinfo=5",) * 2)


@row("D07a", "the directory is removed", seconds=120)
def removed(run):
    directory, arrived = run.directory / "queue", Arrived()
    with on_disk(run, directory) as subject, Auditor(subject) as auditor:
        with Receiver(ADDRESS, arrived):
            subject.start()
            wait_for("deliveries", 20, lambda: len(arrived) >= 5)
            settled(arrived, time.time())
        time.sleep(5)
        sh("rm", "-rf", directory)
        removed_at = time.time()
        wait_for("a new directory with batches", 40, lambda: directory.is_dir() and records(directory))
        run.at_most("in use again", BACK, time.time() - removed_at, " s")
        with Receiver(ADDRESS, arrived):
            settled(arrived, time.time())
            time.sleep(1)
            lost_is_counted(run, subject, arrived)
            run.same("the agent", "runs", "runs" if subject.alive() else "has ended")
    auditor.figure(run)


def lost_is_counted(run, subject, arrived):
    """What arrived and what is counted as dropped is what was collected."""
    found, there = nothing_between(subject, arrived)
    run.same("points delivered, against those that arrived", there, found.delivered + found.rejected)
    run.figure("points dropped", "none but those that were removed", str(found.dropped),
               set(found.dropped) <= {"lost"})


def comes_back(run, subject, arrived, spoil, mend, directory):
    """The directory cannot be used for a while; nothing is lost by that."""
    with subject, Auditor(subject) as auditor:
        subject.start()
        wait_for("batches on disk", 20, lambda: len(records(directory)) >= 3)
        spoil()
        wait_for("a line about it", 20, lambda: "takes nothing" in subject.log())
        time.sleep(3)
        run.same("the agent", "runs", "runs" if subject.alive() else "has ended")
        mend()
        returns(run, subject)
        with Receiver(ADDRESS, arrived):
            settled(arrived, time.time())
            time.sleep(1)
            gone(run, subject)
            finish(run, subject, arrived)
    auditor.figure(run)


@row("D07b", "the file system becomes read-only, and is mounted again", seconds=150)
def read_only(run):
    mount, copy = run.directory / "disk", run.directory / "copy.img"
    kind = mount_small(mount)

    def spoil():
        # Nobody may make it read-only by hand while files in it are open for writing; its errors may.
        if kind == "ext4":
            device = Path(subprocess.check_output(["findmnt", "-no", "SOURCE", mount], text=True).strip()).name
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a fault on purpose")
        else:
            sh("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", mount)

    def mend():
        if kind == "ext4":
            copy.write_bytes(mount.with_suffix(".img").read_bytes())
            subprocess.run(["e2fsck", "-fy", copy], check=False, capture_output=True)
            sh("umount", "-l", mount)
            sh("mount", "-o", "loop", copy, mount)
        else:
            sh("umount", mount)

    # The sandbox lets the agent into whatever is mounted at its directory, not at the one around that.
    comes_back(run, on_disk(run, mount), Arrived(), spoil, mend, mount)


@row("D07c", "the directory may be used by nobody (chmod 0, not as root)", seconds=150)
def forbidden(run):
    parent = mount_tmpfs(run.directory / "mount")
    directory = parent / "queue"
    directory.mkdir()
    for path in (run.directory, *run.directory.parents[:-2]):
        path.chmod(0o755)
    sh("chown", "65534:65534", parent, directory)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    # What is open stays so; it is noticed at the next segment.
    soon = HEAVY | {"HOSTMETER_QUEUE__MAX_BYTES": "4MiB"}
    comes_back(run, on_disk(run, directory, prefix=nobody, **soon), Arrived(), lambda: directory.chmod(0),
               lambda: directory.chmod(0o700), directory)


@row("D07d", "a link takes the directory's place", seconds=150)
def replaced(run):
    directory, away = run.directory / "queue", run.directory / "away"
    there = []

    def spoil():
        directory.rename(away)
        directory.symlink_to(away)
        there.append(du(away))

    def mend():
        run.same("bytes written through the link", 0, du(away) - there[0])
        directory.unlink()
        away.rename(directory)

    comes_back(run, on_disk(run, directory), Arrived(), spoil, mend, directory)


@row("D08", "an outage of three times the cap of 1 MiB", seconds=240)
def overflow(run):
    directory, arrived, peak = run.directory / "queue", Arrived(), [0]
    receiver = Receiver(ADDRESS, arrived)
    with on_disk(run, directory, HOSTMETER_QUEUE__MAX_BYTES="1MiB", **HEAVY) as subject, Auditor(subject) as auditor, watched(directory, peak):
        subject.start()
        # Once in advance, so that the counters of what is dropped are no news in what is counted.
        wait_for("the first to be dropped", 90, lambda: books(subject).dropped)
        receiver.start()
        settled(arrived, time.time())
        time.sleep(2)
        settled(arrived, time.time() - 1)
        receiver.stop()
        begun = time.time()
        wait_for("three times the cap", 120, lambda: produced(arrived, time.time() - begun) > 3 * MIB)
        healed = time.time()
        with receiver:
            settled(arrived, healed)
            time.sleep(2)
            settled(arrived, time.time() - 1)
            found, points = nothing_between(subject, arrived)
            code, _ = subject.stop()
    lost = judge([r for r in arrived.all() if r.at > begun - 2], 1).lost
    run.at_least("ticks that are missing", 20, lost)
    exactly(run, found, points)
    run.at_most("bytes of the directory", MIB, peak[0])
    run.figure("the cap is used", ">= 60 %", f"{peak[0] * 100 // MIB} %", peak[0] > MIB * 6 // 10)
    run.same("exit", 0, code)
    auditor.figure(run)


def produced(arrived, seconds):
    """Bytes of so many seconds, a request each."""
    return seconds * arrived.all()[-1].size


def nothing_between(subject, arrived):
    """The books and the points that arrived, each request once, of a moment in which nothing waits or is under way."""
    def look():
        first, found, second = points_of(arrived), books(subject), points_of(arrived)
        return (found, first) if first == second and found.waiting == 0 else None

    return wait_for("a moment in which nothing waits", 30, look)


def points_of(arrived):
    return sum({request.digest: request.points for request in arrived.all()}.values())


def exactly(run, found, points):
    """What was collected and did not arrive is what was dropped. Told by points and not by the places of ticks, because
    one that a busy machine never began is missing and not lost."""
    run.same("points delivered, and arrived", points, found.delivered)
    run.same("points dropped, and not arrived", found.collected - points, sum(found.dropped.values()))
