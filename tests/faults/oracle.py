"""What arrived, against what the agent must have collected.

A request is one collection. Three things in it serve as witnesses: a gauge of which every tick has one point,
at the time of its reading; the agent's own count of what it has delivered, dropped and rejected; and its count
of what waits. So each request tells the books of its moment, and all that arrived before it must agree.
"""

import hashlib
import statistics
import threading
import time
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

WITNESS = "system.cpu.load_average.1m"
SECOND = 1_000_000_000


@dataclass
class Request:
    at: float  # when it was taken, in seconds since 1970
    digest: bytes
    size: int  # bytes, not compressed
    points: int
    peer: str
    ticks: list = field(default_factory=list)  # the witness's, in nanoseconds since 1970
    began: int = 0  # the earliest time of any point: when the collection began
    processes: list = field(default_factory=list)  # each with the time of its reading
    outcomes: dict = field(default_factory=dict)  # outcome to points, as the agent counts them
    waiting: int | None = None  # batches, as the agent counts them
    attempt: float | None = None  # seconds of the agent's last attempt


class Arrived:
    """Every request that a receiver has taken, whichever it was, in order."""

    def __init__(self):
        self._lock = threading.Lock()
        self._requests = []

    def add(self, message, peer=""):
        at = time.time()
        request = decode(message, at, peer)
        with self._lock:
            self._requests.append(request)
        return request

    def all(self):
        with self._lock:
            return list(self._requests)

    def since(self, moment):
        return [r for r in self.all() if r.at >= moment]

    def __len__(self):
        return len(self._requests)


def decode(message, at, peer):
    parsed = ExportMetricsServiceRequest.FromString(message)
    request = Request(at, hashlib.sha256(message).digest(), len(message), 0, peer)
    for of_resource in parsed.resource_metrics:
        pids = [a.value.int_value for a in of_resource.resource.attributes if a.key == "process.pid"]
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                points = getattr(metric, metric.WhichOneof("data")).data_points
                _add(request, metric, points)
                request.processes.extend((pid, points[0].time_unix_nano) for pid in pids)
    return request


def _add(request, metric, points):
    request.points += len(points)
    earliest = min(p.time_unix_nano for p in points)
    request.began = min(request.began or earliest, earliest)
    if metric.name == WITNESS:
        request.ticks.extend(p.time_unix_nano for p in points)
    elif metric.name == "hostmeter.export.points":
        for point in points:
            outcome = next(a.value.string_value for a in point.attributes if a.key == "outcome")
            request.outcomes[outcome] = request.outcomes.get(outcome, 0) + _value(point)
    elif metric.name == "hostmeter.queue.batches":
        request.waiting = int(_value(points[0]))
    elif metric.name == "hostmeter.export.duration":
        request.attempt = _value(points[0])


def _value(point):
    return getattr(point, point.WhichOneof("value"))


@dataclass
class Verdict:
    ticks: int  # that there must have been, from the first that arrived to the last
    lost: int  # ticks of which nothing arrived
    duplicated: int  # requests that arrived more than once
    disorder: int  # ticks that arrived after a later one
    books: str  # what is wrong with the agent's own counts; nothing, where they agree with what arrived
    late: float  # milliseconds by which ticks missed their place in the interval, but for 1 in 100


def judge(requests, interval):
    unique = list({r.digest: r for r in reversed(requests)}.values())[::-1]
    times = [t for r in unique for t in r.ticks]
    lost, _, disorder = in_order(times, interval)
    late, _ = lateness([r.began for r in unique], interval)
    return Verdict(len(set(times)) + lost, lost, len(requests) - len(unique), disorder, _books(unique), late)


def in_order(times, interval):
    """Of ticks in order of arrival: how many are missing, doubled and out of order."""
    places = [place for place, _ in _places(times, interval)]
    lost = len(set(range(min(places), max(places) + 1)) - set(places))
    first = list(dict.fromkeys(times))
    return lost, len(times) - len(first), sum(later < earlier for earlier, later in zip(first, first[1:]))


def lateness(times, interval):
    """The milliseconds by which ticks at the most miss their place, but for 1 in 100, and for one in any case; and
    those by which the worst does."""
    off = sorted(abs(off) / 1e6 for _, off in _places(times, interval))
    return off[-1 - max(1, len(off) // 100)], off[-1]


def _places(times, interval):
    """The place of each tick in the row of all, and by how much it misses that."""
    if len(times) < 3:
        raise RuntimeError(f"{len(times)} ticks arrived")
    # The last collection is the end of the program and no tick.
    regular = sorted(set(times))[:-1]
    phase = _phase(regular, interval)
    numbered = [(round((t - phase) / (interval * SECOND)), t) for t in regular]
    return [(n, t - phase - n * interval * SECOND) for n, t in numbered]


def _phase(times, interval):
    """The place of the ticks within the interval: the middle of all, seen from the first."""
    period = int(interval * SECOND)
    half = period // 2
    return times[0] + int(statistics.median((t - times[0] + half) % period - half for t in times))


def _books(unique):
    """`collected = delivered + queued`, seen from each request where nothing was dropped."""
    if not any(r.waiting is not None for r in unique):
        return "the agent tells nothing of its queue"
    gone = [0]
    for request in unique:
        gone.append(gone[-1] + request.points)
    wrong = []
    for index, request in enumerate(unique):
        if request.waiting is None:
            continue
        counted = sum(request.outcomes.values())
        if counted not in gone:
            wrong.append(f"request {index}: {counted:.0f} points counted as gone are no whole number of requests")
        elif gone.index(counted) + request.waiting != index:
            wrong.append(f"request {index}: {gone.index(counted)} gone and {request.waiting} waiting before it")
    return f"{len(wrong)} wrong: {wrong[0]}" if wrong else ""
