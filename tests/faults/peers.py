"""Peers that misbehave, made of plain sockets, and of `h2` where the fault lies within HTTP/2."""

import gzip
import socket
import struct
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

HEADERS = ((":status", "200"), ("content-type", "application/grpc"))
HUGE = 100 << 20
RESET = struct.pack("ii", 1, 0)


def listening(host, port):
    """A socket that listens there; a connection of somebody else may have the port for a moment."""
    for _ in range(50):
        try:
            return socket.create_server((host, port))
        except OSError:
            time.sleep(0.1)
    return socket.create_server((host, port))


class Peer:
    """Accepts at `address` until it is stopped; `manner(connection)` is what it does with each."""

    def __init__(self, address, manner):
        host, port = address.rsplit(":", 1)
        self.manner = manner
        self.listener = listening(host, int(port))
        self.sockets = []
        # How many connections there were, and how long each was there.
        self.seen = 0
        self.durations = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            self.seen += 1
            self.sockets.append(accepted)
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted):
        begun = time.monotonic()
        try:
            self.manner(accepted)
        except (OSError, h2.exceptions.ProtocolError):
            pass
        self.durations.append(time.monotonic() - begun)
        accepted.close()

    def longest(self):
        """Seconds of the longest connection; nothing where there was none."""
        return max(self.durations, default=None)

    def stop(self):
        # Closing alone would leave the thread in `accept`, and the port with it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for accepted in self.sockets:
            try:
                accepted.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def silent(accepted):
    """Reads, and says nothing."""
    while accepted.recv(1 << 16):
        pass


def reset(accepted):
    """Resets the connection in the middle of the request."""
    accepted.recv(1 << 16)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


class Http2:
    """A connection that speaks HTTP/2 as far as a manner lets it."""

    def __init__(self, accepted):
        self.accepted = accepted
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.bodies = {}

    def flush(self):
        self.accepted.sendall(self.h2.data_to_send())

    def requests(self, tick=None):
        """Each complete request: its stream and its message. `tick` is called with all that comes, and each second."""
        self.h2.initiate_connection()
        self.flush()
        self.accepted.settimeout(1 if tick else None)
        while True:
            try:
                data = self.accepted.recv(1 << 16)
            except TimeoutError:
                tick()
                continue
            if not data:
                return
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.bodies.setdefault(event.stream_id, bytearray()).extend(event.data)
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.flush()
                    yield event.stream_id, message(self.bodies.pop(event.stream_id, b""))
            self.flush()
            if tick:
                tick()

    def send(self, stream, data):
        """Sends as much as the client allows; whether anything went."""
        room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
        self.h2.send_data(stream, data[:room])
        self.flush()
        return min(room, len(data))


def message(body):
    """The message in a gRPC body."""
    body = bytes(body)
    return gzip.decompress(body[5:]) if body[:1] == b"\1" else body[5:]


def mute(accepted):
    """Speaks HTTP/2 and answers no request."""
    for _ in Http2(accepted).requests():
        pass


def headers_only(accepted):
    http2 = Http2(accepted)
    for stream, _ in http2.requests():
        http2.h2.send_headers(stream, HEADERS)


def slow(accepted):
    """An answer of one byte each second."""
    http2, open_streams = Http2(accepted), []

    def drip():
        for stream in open_streams:
            http2.send(stream, b"\0")

    for stream, _ in http2.requests(drip):
        http2.h2.send_headers(stream, HEADERS)
        open_streams.append(stream)


def huge(accepted):
    """An answer of 100 MiB, as fast as it is read."""
    http2, left = Http2(accepted), {}

    def pour():
        for stream in left:
            while left[stream] and (sent := http2.send(stream, bytes(min(left[stream], 1 << 14)))):
                left[stream] -= sent

    for stream, _ in http2.requests(pour):
        http2.h2.send_headers(stream, HEADERS)
        http2.h2.send_data(stream, b"\0" + HUGE.to_bytes(4, "big"))
        left[stream] = HUGE


def bomb(accepted):
    """An answer of 100 KiB that is 100 MiB when it is unpacked, and no status."""
    http2, body = Http2(accepted), gzip.compress(bytes(HUGE))
    framed = b"\1" + len(body).to_bytes(4, "big") + body
    for stream, _ in http2.requests():
        http2.h2.send_headers(stream, (*HEADERS, ("grpc-encoding", "gzip")))
        rest = framed
        while rest and (sent := http2.send(stream, rest)):
            rest = rest[sent:]
        http2.h2.end_stream(stream)


def close(accepted):
    """Closes the connection in an orderly way instead of answering."""
    http2 = Http2(accepted)
    for _ in http2.requests():
        accepted.shutdown(socket.SHUT_WR)
        return


def goaway(accepted):
    """Says at the first request that the connection ends, and that it was not looked at."""
    http2 = Http2(accepted)
    for _ in http2.requests():
        http2.h2.close_connection(last_stream_id=0)
        http2.flush()
        time.sleep(0.05)
        return


def reset_stream(accepted):
    http2 = Http2(accepted)
    for stream, _ in http2.requests():
        http2.h2.reset_stream(stream, error_code=2)


def takes_and_resets(arrived):
    """Takes each request, and resets the connection instead of saying so."""
    def manner(accepted):
        for _, taken in Http2(accepted).requests():
            arrived.add(taken)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return
    return manner
