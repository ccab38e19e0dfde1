"""Clients of the endpoint, the well-behaved and the others, over plain sockets."""

import resource
import selectors
import socket
import statistics
import threading
import time
from contextlib import contextmanager

HALF = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Never-Ends: "


def many_descriptors():
    """Lets this program and those it starts have thousands of sockets."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connect(port, timeout=5, receive_buffer=None):
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(timeout)
    client.connect(("127.0.0.1", port))
    return client


def request(path="/metrics", method="GET", *headers):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]).encode()


def exchange(port, sent, timeout=5, wrap=lambda client: client):
    """Everything that comes back until the other side ends it: status (0 where there is none), head, body."""
    with wrap(connect(port, timeout)) as client:
        received = b""
        try:
            client.sendall(sent)
            while piece := client.recv(1 << 16):
                received += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/1.") else b"0"
    return int(status), head.decode("latin-1"), body


def still_open(clients):
    """Those whose other side has neither closed nor reset; what they were told is thrown away."""
    kept = []
    for client in clients:
        client.setblocking(False)
        try:
            while client.recv(1 << 16):
                pass
        except BlockingIOError:
            kept.append(client)
        except OSError:
            pass
    return kept


def send_all(clients, data):
    """What the kernel takes at once; whoever is closed or full is left alone."""
    for client in clients:
        try:
            client.send(data, socket.MSG_DONTWAIT)
        except OSError:
            pass


class Scrapes:
    """Scrapes one after the other while the block runs: how long each took, and which failed."""

    def __init__(self, scrape, pause=0.1):
        self.scrape, self.pause = scrape, pause
        self.took, self.failed = [], []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(self.pause):
            begun = time.monotonic()
            try:
                self.scrape()
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is no answer
                self.failed.append(f"{type(problem).__name__}: {problem}")
            self.took.append(time.monotonic() - begun)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def longest(self):
        return max(self.took, default=None)

    def quantile(self, share):
        return statistics.quantiles(self.took, n=1000)[round(share * 1000) - 1]

    def told(self, run, what, most):
        """The figures of these scrapes."""
        run.at_least(f"{what}: scrapes", 3, len(self.took))
        run.figure(f"{what}: scrapes that failed", "0", f"{len(self.failed)} {' '.join(self.failed[:1])}".strip(),
                   not self.failed)
        run.at_most(f"{what}: the longest scrape", most, self.longest(), " s")


@contextmanager
def opened(port, count, sent, **how):
    """So many connections, each with the same bytes sent."""
    clients = []
    try:
        for _ in range(count):
            client = connect(port, **how)
            clients.append(client)
            send_all([client], sent)
        yield clients
    finally:
        for client in clients:
            client.close()


class AtOnce:
    """Many requests sent one after the other without waiting; what came back of each, and when."""

    def __init__(self, port, count, sent):
        self.received = {}
        self.took = {}
        self._begun = {}
        self._poll = selectors.DefaultSelector()
        for _ in range(count):
            client = connect(port)
            self._begun[client], self.received[client] = time.monotonic(), b""
            send_all([client], sent)
            client.setblocking(False)
            self._poll.register(client, selectors.EVENT_READ)
            self._take(0)

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while len(self.took) < len(self.received) and time.monotonic() < end:
            self._take(0.1)
        for client in self.received:
            client.close()
        return self

    def _take(self, seconds):
        for key, _ in self._poll.select(seconds):
            client = key.fileobj
            try:
                piece = client.recv(1 << 16)
            except BlockingIOError:
                continue
            except OSError:
                piece = b""
            self.received[client] += piece
            if not piece:
                self._poll.unregister(client)
                self.took[client] = time.monotonic() - self._begun[client]

    def answers(self, status):
        """Time and body of those with this status."""
        wanted = f"HTTP/1.1 {status} ".encode()
        return [(self.took.get(client), received.partition(b"\r\n\r\n")[2])
                for client, received in self.received.items() if received.startswith(wanted)]
