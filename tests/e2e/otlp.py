"""OTLP as JSON: what the Collector's file exporter writes, and what `hostmeter once --format otlp-json` prints."""

import json
from dataclasses import dataclass, field
from pathlib import Path

CUMULATIVE = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
# The flag of a point that says that its series has ended.
NO_RECORDED_VALUE = 1


@dataclass(frozen=True)
class Point:
    time: int  # nanoseconds since 1970
    start: int  # the same; 0 where none is given
    value: float
    type: str  # int or double
    ended: bool


@dataclass
class Series:
    """One metric of one resource under one set of attributes, with all its points in order of arrival."""

    name: str
    kind: str
    unit: str
    cumulative: bool
    description: str
    scope: str
    resource: dict
    attributes: dict
    points: list = field(default_factory=list)

    def recorded(self):
        return [p for p in self.points if not p.ended]

    def label(self):
        """For messages: the name with what tells this series from others of it."""
        own = {k: v for k, v in self.resource.items() if k.startswith("process.")} | self.attributes
        return self.name + ("{" + ", ".join(f"{k}={v}" for k, v in sorted(own.items())) + "}" if own else "")


class Received:
    """Everything that arrived, by series."""

    def __init__(self, lines):
        self.series = {}
        for line in lines:
            self._add(json.loads(line))

    @classmethod
    def from_file(cls, path):
        """With what the Collector has moved aside, which it does at 64 MiB, by the time of it in the name."""
        path = Path(path)
        aside = sorted(path.parent.glob(f"{path.stem}-20*{path.suffix}"))
        return cls([line for part in (*aside, path) for line in part.read_text(encoding="utf-8").split("\n") if line.strip()])

    @classmethod
    def from_text(cls, text):
        """One document, however it is broken into lines, or one document a line."""
        try:
            document = json.loads(text)
        except json.JSONDecodeError:
            return cls([line for line in text.splitlines() if line.strip()])
        return cls([json.dumps(part) for part in (document if isinstance(document, list) else [document])])

    def names(self):
        return {s.name for s in self.series.values()}

    def of(self, name, **attributes):
        """The series of a metric that bear these attributes, `.` written as `_`."""
        return [s for s in self.series.values() if s.name == name
                and all(s.attributes.get(k.replace("_", ".")) == v for k, v in attributes.items())]

    def resources(self):
        """The distinct resources."""
        return list({_key(s.resource): s.resource for s in self.series.values()}.values())

    def _add(self, request):
        for of_resource in request.get("resourceMetrics", []):
            resource = _attributes(of_resource.get("resource", {}).get("attributes", []))
            for of_scope in of_resource.get("scopeMetrics", []):
                scope = of_scope.get("scope", {}).get("name", "")
                for metric in of_scope.get("metrics", []):
                    self._add_metric(metric, resource, scope)

    def _add_metric(self, metric, resource, scope):
        if "sum" in metric:
            data = metric["sum"]
            kind = "counter" if data.get("isMonotonic") else "updowncounter"
            cumulative = data.get("aggregationTemporality") in CUMULATIVE
        elif "gauge" in metric:
            data, kind, cumulative = metric["gauge"], "gauge", True
        else:
            data, kind, cumulative = {}, "neither sum nor gauge", False
        for point in data.get("dataPoints", []):
            attributes = _attributes(point.get("attributes", []))
            # The kind belongs to the key, so that a metric that arrives as two kinds is seen as such.
            key = (metric["name"], kind, metric.get("unit"), _key(resource), _key(attributes))
            series = self.series.setdefault(key, Series(
                metric["name"], kind, metric.get("unit", ""), cumulative, metric.get("description", ""),
                scope, resource, attributes))
            series.points.append(_point(point))


def _point(point):
    kind = "int" if "asInt" in point else "double"
    value = point.get("asInt", point.get("asDouble", "nan"))
    return Point(int(point.get("timeUnixNano", 0)), int(point.get("startTimeUnixNano", 0)), float(value), kind,
                 bool(int(point.get("flags", 0)) & NO_RECORDED_VALUE))


def _attributes(pairs):
    return {pair["key"]: _value(pair.get("value") or {}) for pair in pairs}


def _value(value):
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "arrayValue":
            return [_value(v) for v in inner.get("values", [])]
        return inner
    return None


def _key(attributes):
    return json.dumps(attributes, sort_keys=True)
