"""The queue's directory, seen by somebody else: what it takes, what lies in it, and what the agent says of it."""

import json
import struct
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components import REPO
from world import agent

DRIVER = REPO / "target/debug/examples/fault-queue"
MIB = 1 << 20
# Of src/queue/segment.rs and record.rs.
SEGMENT, RECORD, MARK = 76, 40, b"\xf7hm\xb7"
SETTLED = 24


def on_disk(run, directory, **more):
    """The agent with a queue on disk, however full the machine's own disk is."""
    return agent(run, **{"HOSTMETER_QUEUE__DIRECTORY": directory, "HOSTMETER_QUEUE__MAX_PERCENT": 95,
                         "HOSTMETER_QUEUE__MIN_FREE": "0B"} | more)


def du(directory):
    """Bytes, as the file system counts them; files that vanish meanwhile take none."""
    paths, total = [Path(directory)], 0
    try:
        paths += Path(directory).iterdir()
    except OSError:
        return 0
    for path in paths:
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            continue
    return total


def records(directory):
    """The payloads that wait in a directory that nobody uses, read without the agent's own code."""
    found = []
    for path in sorted(Path(directory).glob("*.log")):
        data, at = path.read_bytes(), SEGMENT
        while data[at:at + 4] == MARK:
            length, _, sequence = struct.unpack_from("<IIQ", data, at + 8)
            payload = data[at + RECORD:at + RECORD + length]
            if len(payload) < length:
                break
            found.append((sequence, payload))
            at += RECORD + length
    return [payload for sequence, payload in found if sequence > settled(directory)]


def settled(directory):
    """The last sequence that is settled, by the newer of the cursor's two slots."""
    try:
        data = Path(directory, "cursor").read_bytes()
    except OSError:
        return 0
    slots = [struct.unpack_from("<QQ", data, at + 16) for at in (0, 4096)
             if data[at:at + 8] == b"hmcursor"]
    return max(slots)[1] if slots else 0


@dataclass(frozen=True)
class Books:
    """Points, as the agent's status page tells them."""

    collected: int
    waiting: int
    delivered: int
    # Reason to points.
    dropped: dict
    rejected: int

    def missing(self):
        """What is neither waiting nor accounted for: 0, says the law."""
        return self.collected - self.waiting - self.delivered - self.rejected - sum(self.dropped.values())


def books(subject):
    _, text = subject.get("/-/status.json")
    otlp = json.loads(text)["otlp"]
    return Books(otlp["collected"], otlp["queue"]["points"], otlp["delivered"],
                 {reason.replace("_", " "): points for reason, points in otlp["dropped"].items() if points},
                 sum(otlp["rejected"].values()))


class Auditor:
    """Looks at the agent's books all the time while the `with` block runs, and remembers what did not add up."""

    def __init__(self, subject):
        self.subject = subject
        self.looks = 0
        self.wrong = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._end.wait(0.1):
            try:
                found = books(self.subject)
            except (OSError, TypeError):
                continue
            self.looks += 1
            if found.missing():
                self.wrong.append(found)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def figure(self, run):
        wrong = f", the first {self.wrong[0]}" if self.wrong else ""
        run.figure("collected = delivered + queued + dropped...", "whenever somebody looks",
                   f"{self.looks} looks, {len(self.wrong)} wrong{wrong}", self.looks > 0 and not self.wrong)


def gone(run, subject, lost=None):
    """What was dropped is nothing, or what `lost` says and nothing else."""
    run.same("points dropped", lost or {}, books(subject).dropped)


@contextmanager
def watched(directory, most):
    """The most that a directory takes, looked at each 100 ms and more often."""
    end, peak = threading.Event(), most

    def watch():
        while not end.wait(0.02):
            peak[0] = max(peak[0], du(directory))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield
    end.set()
    thread.join()


def sh(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


def mount_tmpfs(path, size="64m"):
    path.mkdir(parents=True, exist_ok=True)
    sh("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
    return path


def mount_small(path):
    """20 MiB of ext4, or of tmpfs where no loop device can be had; which of both it is."""
    path.mkdir(parents=True)
    image = path.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(20 * MIB)
    try:
        sh("mkfs.ext4", "-q", image)
        sh("mount", "-o", "loop,errors=remount-ro", image, path)
        return "ext4"
    except (OSError, subprocess.CalledProcessError):
        mount_tmpfs(path, "20m")
        return "tmpfs, for want of a loop device"
