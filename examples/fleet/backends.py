"""Two back ends behind the gateway, by OTLP/gRPC and by OTLP/HTTP, and books of what has arrived at each."""

import gzip
import sys
import threading
from array import array
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from oracle import WITNESS, in_order
from receiver import Receiver

KEY = "service.instance.id"
GRPC = "OTLP/gRPC"
HTTP = "OTLP/HTTP"


class OfHost:
    """What has arrived of one host."""

    def __init__(self):
        self.series = {}  # each with the times of its points
        self.points = 0
        self.again = 0  # points that were there already
        self.disorder = 0  # points that came after a later one of their series
        self.ticks = []

    def add(self, key, moment, ticks):
        times = self.series.setdefault(key, array("q"))
        if times and moment <= times[-1]:
            if moment in times:
                self.again += 1
                return
            self.disorder += 1
        times.append(moment)
        self.points += 1
        if ticks:
            self.ticks.append(moment)


class Books:
    """What has arrived at one back end, by host."""

    def __init__(self):
        self._lock = threading.Lock()
        self.hosts = {}
        self.bytes = 0  # of OTLP, uncompressed
        self.requests = 0

    def add(self, message, peer=""):
        parsed = ExportMetricsServiceRequest.FromString(message)
        with self._lock:
            self.bytes += len(message)
            self.requests += 1
            for of_resource in parsed.resource_metrics:
                self._add(of_resource)

    def _add(self, of_resource):
        known = {a.key: a.value for a in of_resource.resource.attributes}
        host = self.hosts.setdefault(known[KEY].string_value, OfHost())
        process = tuple(known[key].SerializeToString() for key in sorted(known) if key.startswith("process."))
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                ticks = metric.name == WITNESS
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    attributes = tuple(sorted(a.SerializeToString() for a in point.attributes))
                    host.add(hash((metric.name, process, attributes)), point.time_unix_nano, ticks)

    def totals(self):
        """Points, and bytes of OTLP."""
        with self._lock:
            return sum(host.points for host in self.hosts.values()), self.bytes

    def series(self):
        with self._lock:
            return sum(len(host.series) for host in self.hosts.values())

    def points(self):
        with self._lock:
            return {name: host.points for name, host in self.hosts.items()}

    def behind(self, moment):
        """How many hosts have sent nothing yet that was read after a moment in seconds since 1970."""
        with self._lock:
            return sum(max(host.ticks, default=0) < moment * 1e9 for host in self.hosts.values())

    def judged(self, interval):
        """Of all hosts: ticks, ticks lost, points that came again, and points out of order."""
        lost = sum(in_order(host.ticks, interval)[0] for host in self.hosts.values())
        return (sum(len(host.ticks) for host in self.hosts.values()), lost,
                sum(host.again for host in self.hosts.values()), sum(host.disorder for host in self.hosts.values()))


class Http:
    """OTLP/HTTP on one path, as a store of series takes it."""

    def __init__(self, port, books):
        self.port = port
        self.books = books
        self.server = None

    def start(self):
        books = self.books

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                books.add(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def stop(self):
        """Nobody is taken any more, and who is connected is let go."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server.drop()
            self.server = None


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.open = set()

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Who is let go gets no answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def drop(self):
        for request in list(self.open):
            self.shutdown_request(request)


class Backends:
    """Both, at ports that stay theirs; books of those that a gateway sends to."""

    def __init__(self, grpc_port, http_port, used):
        grpc, http = Books(), Books()
        self.books = {name: books for name, books in ((GRPC, grpc), (HTTP, http)) if name in used}
        self.ports = {GRPC: grpc_port, HTTP: http_port}
        # A batch of the gateway is larger than what gRPC takes by default.
        large = (("grpc.max_receive_message_length", 64 << 20),)
        self.servers = (Receiver(f"127.0.0.1:{grpc_port}", grpc, options=large), Http(http_port, http))

    def start(self):
        for server in self.servers:
            server.start()
        return self

    def stop(self):
        for server in self.servers:
            server.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
