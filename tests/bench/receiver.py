"""An OTLP/gRPC receiver that takes everything and counts it: every byte that comes on the socket, every point.

It speaks just enough HTTP/2 for that: what clients say in headers it need not understand, and its own are fixed.
"""

import gzip
import socket
import struct
import threading
import time
from dataclasses import dataclass

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK = END_STREAM = 1
END_HEADERS, PADDED = 4, 8
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: Nobody waits for room: as much as HTTP/2 allows, renewed long before it is used up.
WINDOW = (1 << 31) - 1
#: In HPACK: ":status: 200", "content-type: application/grpc", and "grpc-status: 0" of the trailer.
ANSWER = b"\x88\x0f\x10\x10application/grpc"
TRAILER = b"\x00\x0bgrpc-status\x010"
#: An empty ExportMetricsServiceResponse.
MESSAGE = b"\0\0\0\0\0"


@dataclass
class Request:
    time: float
    #: Bytes on the socket since the request before, with all framing.
    wire: int
    body: bytes

    def message(self):
        """The ExportMetricsServiceRequest, and whether it came packed."""
        packed, length = struct.unpack_from(">BI", self.body)
        message = self.body[5 : 5 + length]
        return (gzip.decompress(message) if packed else message), bool(packed)

    def points(self):
        return points(self.message()[0])

    def began(self):
        """When the earliest of its points was read, in seconds since the epoch."""
        return min(map(time_of, data_points(self.message()[0]))) / 1e9


class Receiver:
    """Listens on a free port of the loopback; `requests` is what has come."""

    def __init__(self):
        self.requests = []
        self.news = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=[peer], daemon=True).start()

    def serve(self, peer):
        try:
            with peer:
                Connection(peer, self.take).serve()
        except OSError:
            pass  # The agent has ended.

    def take(self, wire, body):
        with self.news:
            self.requests.append(Request(time.monotonic(), wire, body))
            self.news.notify_all()

    def clear(self):
        with self.news:
            taken, self.requests = self.requests, []
        return taken

    def wait(self, seconds):
        """Whether a request is there within that time."""
        with self.news:
            return self.news.wait_for(lambda: self.requests, seconds)


class Connection:
    def __init__(self, peer, take):
        self.peer, self.take = peer, take
        self.wire = self.used = 0
        self.bodies = {}

    def serve(self):
        self.exactly(len(PREFACE))
        self.send(SETTINGS, payload=struct.pack(">HI", INITIAL_WINDOW_SIZE, WINDOW))
        self.send(WINDOW_UPDATE, payload=struct.pack(">I", WINDOW - 65_535))
        while True:
            head = self.exactly(9)
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            stream = int.from_bytes(head[5:], "big") & WINDOW
            payload = self.exactly(length)
            if kind == SETTINGS and not flags & ACK:
                self.send(SETTINGS, ACK)
            elif kind == PING and not flags & ACK:
                self.send(PING, ACK, payload=payload)
            elif kind == DATA:
                self.used += length
                body = payload[1 : length - payload[0]] if flags & PADDED else payload
                self.bodies.setdefault(stream, bytearray()).extend(body)
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                self.answer(stream)

    def answer(self, stream):
        if self.used > WINDOW // 2:
            self.send(WINDOW_UPDATE, payload=struct.pack(">I", self.used))
            self.used = 0
        self.take(self.wire, bytes(self.bodies.pop(stream, b"")))
        self.wire = 0
        self.send(HEADERS, END_HEADERS, stream, ANSWER)
        self.send(DATA, 0, stream, MESSAGE)
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, TRAILER)

    def send(self, kind, flags=0, stream=0, payload=b""):
        self.peer.sendall(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    def exactly(self, length):
        got = bytearray()
        while len(got) < length:
            part = self.peer.recv(length - len(got))
            if not part:
                raise OSError("ended")
            got += part
        self.wire += length
        return got


#: Of opentelemetry.proto.metrics.v1.Metric: gauge, sum, histogram, exponential histogram, summary.
KINDS = {5, 7, 9, 10, 11}


#: Of opentelemetry.proto.metrics.v1.NumberDataPoint: time_unix_nano.
TIME = 3


def points(message):
    """How many data points an ExportMetricsServiceRequest has."""
    return sum(1 for _ in data_points(message))


def data_points(message):
    return (
        point
        for resource in parts(memoryview(message), {1})
        for scope in parts(resource, {2})
        for metric in parts(scope, {2})
        for data in parts(metric, KINDS)
        for point in parts(data, {1})
    )


def time_of(point):
    """Nanoseconds since the epoch."""
    at = 0
    while at < len(point):
        key, at = varint(point, at)
        if key == TIME << 3 | 1:
            return struct.unpack_from("<Q", point, at)[0]
        at = after(point, key & 7, at)
    raise ValueError("a point without a time")


def parts(message, wanted):
    """The submessages with these numbers."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        end = after(message, key & 7, at)
        if key & 7 == 2 and key >> 3 in wanted:
            _, begin = varint(message, at)
            yield message[begin:end]
        at = end


def after(message, kind, at):
    """Where the field of that wire type ends whose value begins at `at`."""
    if kind in (1, 5):
        return at + {1: 8, 5: 4}[kind]
    length, begin = varint(message, at)
    return begin + length if kind == 2 else begin


def varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
