"""What the rows of the agent's life have in common."""

from components import Agent
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags


def config(directory, port, text):
    """A configuration file that says so, put in place at once."""
    path = directory / "hostmeter.yaml"
    new = directory / "hostmeter.yaml.new"
    new.write_text(f"prometheus: {{bind_address: 127.0.0.1, port: {port}}}\n{text}\n")
    new.rename(path)
    return path


def configured(directory, port, path, args=(), **env):
    """An agent that a file says all of, its port too."""
    agent = Agent(directory, args=["--config", str(path), *args], **env)
    del agent.env["OTEL_EXPORTER_PROMETHEUS_PORT"]
    agent.port = port
    return agent


class Sequences:
    """Every series that has arrived: a counter does not fall under one start time, and times grow."""

    def __init__(self):
        self.last = {}
        self.fallen = []
        self.stood = []

    @property
    def series(self):
        return len(self.last)

    def watching(self, arrived):
        """The same receiver's memory, looked through on the way."""
        return _Watched(self, arrived)

    def add(self, message):
        for of_resource in ExportMetricsServiceRequest.FromString(message).resource_metrics:
            process = tuple(sorted((a.key, str(a.value)) for a in of_resource.resource.attributes if a.key.startswith("process.")))
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    if metric.WhichOneof("data") != "sum" or not metric.sum.is_monotonic:
                        continue
                    for point in metric.sum.data_points:
                        self._point((metric.name, process, tuple(sorted((a.key, str(a.value)) for a in point.attributes))), point)

    def _point(self, key, point):
        start, at = point.start_time_unix_nano, point.time_unix_nano
        ended = point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
        value = None if ended else getattr(point, point.WhichOneof("value"))
        before = self.last.get(key)
        if before:
            if at <= before[1]:
                self.stood.append(key)
            if start < before[0] or None not in (value, before[2]) and start == before[0] and value < before[2]:
                self.fallen.append((key, before, (start, at, value)))
            if value is None and start == before[0]:
                value = before[2]
        self.last[key] = (start, at, value)


class _Watched:
    def __init__(self, sequences, arrived):
        self.sequences = sequences
        self.arrived = arrived

    def add(self, message, peer=""):
        self.sequences.add(message)
        return self.arrived.add(message, peer)
