"""Every point that a receiver was given, series by series, and whether they agree with one another."""

import threading
import time
from collections import namedtuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

WITNESS = "system.cpu.load_average.1m"
SECOND = 1_000_000_000
# The flag of a point that says that its series has ended.
NO_RECORDED_VALUE = 1

# What is read once a minute is not gone when nothing comes of it for less; in nanoseconds.
SELDOM = {"system.network.connection.count": 63 * SECOND}

Point = namedtuple("Point", "time start value ended")


class Points:
    """What a `Receiver` adds to: the points of each series in the order in which they came."""

    def __init__(self):
        self._lock = threading.Lock()
        self.arrivals = []  # by the clock that nobody sets, of requests with the witness
        self.series = {}  # (name, attributes) to points
        self.counters = set()

    def add(self, message, peer=""):
        # Text that is no UTF-8 fails here, and the call with it.
        parsed = ExportMetricsServiceRequest.FromString(message)
        with self._lock:
            for of_resource in parsed.resource_metrics:
                process = [(a.key, _value(a.value)) for a in of_resource.resource.attributes
                           if a.key.startswith("process.")]
                for of_scope in of_resource.scope_metrics:
                    for metric in of_scope.metrics:
                        self._add_metric(metric, process)

    def _add_metric(self, metric, process):
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        if metric.name == WITNESS:
            self.arrivals.append(time.monotonic())
        for point in data.data_points:
            attributes = process + [(a.key, _value(a.value)) for a in point.attributes]
            key = (metric.name, tuple(sorted(attributes)))
            if kind == "sum" and data.is_monotonic:
                self.counters.add(key)
            field = point.WhichOneof("value")
            ended = bool(point.flags & NO_RECORDED_VALUE)
            value = getattr(point, field) if field and not ended else None
            self.series.setdefault(key, []).append(
                Point(point.time_unix_nano, point.start_time_unix_nano, value, ended))

    def of(self, name, **wanted):
        """The series of a metric that bear these attributes, `.` written as `_`: attributes to points."""
        with self._lock:
            items = list(self.series.items())
        found = {}
        for (metric, attributes), points in items:
            known = {k.replace(".", "_"): v for k, v in attributes}
            if metric == name and all(known.get(k) == v for k, v in wanted.items()):
                found[attributes] = points
        return found

    def ticks(self):
        """The times of the witness, in nanoseconds."""
        [points] = self.of(WITNESS).values()
        return [p.time for p in points]

    def told(self, run, label="", gone=3 * SECOND):
        """The figures that hold whatever happens to a host. A series that ended so long before the last has told so."""
        with self._lock:
            items = list(self.series.items())
        back, unordered, before, twice, untold = [], [], [], [], []
        last = max(p[-1].time for _, p in items)
        for key, points in items:
            for a, b in zip(points, points[1:]):
                if b.time <= a.time:
                    unordered.append(key)
                if a.ended and b.ended:
                    twice.append(key)
            recorded = [p for p in points if not p.ended]
            if key in self.counters:
                back += [key for a, b in zip(recorded, recorded[1:]) if b.start == a.start and b.value < a.value]
            before += [key for p in points if p.start > p.time]
            if not points[-1].ended and points[-1].time < last - max(gone, SELDOM.get(key[0], 0)):
                untold.append(key)
        ends = sum(p.ended for _, points in items for p in points)
        label = f"{label}: " if label else ""
        _none(run, f"{label}counters back under one start", back)
        _none(run, f"{label}times that do not grow", unordered)
        _none(run, f"{label}points before their start", before)
        _none(run, f"{label}ended twice, of {ends} ends", twice)
        _none(run, f"{label}gone without an end, of {len(items)} series", untold)


def _none(run, what, keys):
    shown = f"{len(keys)}" + (f" {keys[0][0]} {dict(keys[0][1])}" if keys else "")
    run.figure(what, "0", shown, not keys)


def _value(value):
    return getattr(value, value.WhichOneof("value") or "string_value")
