"""Clients that never finish, never read, come all at once or speak no HTTP: who scrapes does not notice."""

import random
import ssl
import string
import time
from pathlib import Path

from clients import (
    HALF, AtOnce, Scrapes, exchange, many_descriptors, opened, request, send_all, still_open,
)
from components import Agent, get
from mounts import mounted
from promtext import Page
from row import row
from world import memory_growth

# In no word that anybody else uses: a label that has it comes from a request.
MARK = "xyzzy"
FREE = "system_filesystem_usage_bytes"


@row("E01", "slowloris: 2,000 requests that never end", seconds=60)
def slowloris(run):
    many_descriptors()
    with Agent(run.directory).start() as agent:
        with Scrapes(agent.page) as scrapes, opened(agent.port, 2000, HALF) as clients:
            end = time.monotonic() + 7
            while time.monotonic() < end:
                time.sleep(0.5)
                send_all(clients, b"a")
            run.at_most("open after 7 s", 0, len(still_open(clients)))
        scrapes.told(run, "meanwhile", 1.0)
        run.ends(agent)


@row("E02", "200 clients that never read their answer", seconds=90)
def silent_readers(run):
    # Their answers are more than the kernel keeps for both sides.
    sent = request().replace(b"Connection: close\r\n", b"") * 40
    with Agent(run.directory).start() as agent:
        agent.page()
        with memory_growth(agent) as grown, Scrapes(agent.page) as scrapes:
            with opened(agent.port, 200, sent, receive_buffer=4096) as clients:
                begun, longest = time.monotonic(), 0
                ports = {client.getsockname()[1] for client in clients}
                run.at_least("open at the beginning", 1, len(served(agent.port) & ports))
                while time.monotonic() < begun + 20 and served(agent.port) & ports:
                    longest = time.monotonic() - begun
                    time.sleep(0.1)
                run.at_most("left open after 20 s", 0, len(served(agent.port) & ports))
        run.at_most("the longest open", 10.0 + 0.5, longest, " s")
        run.at_most("memory grows by", 16.0, grown[0], " MiB")
        # A second after the last has begun not to read, the first of them makes room.
        run.at_most("scrapes meanwhile that were refused", 15, len(scrapes.failed))
        run.at_least("scrapes meanwhile", 60, len(scrapes.took))
        run.ends(agent)


def served(port):
    """The ports of the clients whose connections the server still has. What it has closed, with bytes that nobody
    has taken yet, is the kernel's and no process's: it has no inode."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *rest = line.split()
        if int(local.split(":")[1], 16) == port and rest[6] != "0" and remote != "00000000:0000":
            found.add(int(remote.split(":")[1], 16))
    return found


@row("E03", "200 scrapes at once", seconds=60)
def at_once(run):
    with Agent(run.directory).start() as agent:
        agent.page()
        # Older than a second, so that nobody gets it.
        time.sleep(1.5)
        asked = AtOnce(agent.port, 200, request()).wait(10)
        pages, refused = asked.answers(200), asked.answers(503)
        run.at_least("served", 64, len(pages))
        run.same("neither served nor told to come again", 0, 200 - len(pages) - len(refused))
        run.at_most("pages made for them", 2, len({body for _, body in pages}))
        run.at_most("the longest 503", 50.0, max((took * 1000 for took, _ in refused), default=0.0), " ms")
        run.ends(agent)


@row("E04", "a scrape timeout of 0.3 s, and a mount that hangs", seconds=60)
def impatient(run):
    with mounted(run.directory / "mounted") as mount, Agent(run.directory).start() as agent:
        took, statuses, share = [], set(), []
        for _ in range(4):
            # Older than a second, so that it is not given again.
            time.sleep(1.5)
            whole = agent.page()
            run.same("the mount is on the page while it answers", 1,
                     len(whole.select(FREE, system_filesystem_mountpoint=str(mount.path), system_filesystem_state="free")))
            time.sleep(1.5)
            mount.hang()
            begun = time.monotonic()
            status, text = get(f"http://127.0.0.1:{agent.port}/metrics",
                               headers={"X-Prometheus-Scrape-Timeout-Seconds": "0.3"})
            took.append((time.monotonic() - begun) * 1000)
            statuses.add(status)
            names = Page(text).samples
            share.append(sum(name in names for name in whole.samples) / len(whole.samples) * 100)
            mount.heal()
        run.same("status", [200], sorted(statuses))
        run.at_most("the longest answer", 300.0, max(took), " ms")
        run.at_least("least share of the metrics of a page without a fault", 80.0, min(share), " %")
        run.ends(agent)


def malformed():
    """What no client should send, by its name; each with the statuses that may come back (0: none, it is closed)."""
    bad, methods = {0, 400}, random.Random(7)
    yield "headers of 16 KiB", request("/metrics", "GET", f"X-{MARK}: " + "a" * 16384), {0, 400, 431}
    yield "a thousand headers", request("/metrics", "GET", *[f"X-{MARK}-{i}: a" for i in range(1000)]), {0, 400, 431}
    yield "a URI of 1 MiB", request(f"/{MARK}" + "a" * (1 << 20)), {0, 400, 414, 431}
    for _ in range(50):
        name = MARK.upper() + "".join(methods.choices(string.ascii_uppercase, k=methods.randint(0, 20)))
        yield "a method of nobody's", request("/metrics", name), {400, 405}
    yield "a path of nobody's", request(f"/{MARK}?collect[]={MARK}"), {404}
    yield "HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", bad | {505}
    yield "a chunked body", request("/metrics", "POST", "Transfer-Encoding: chunked") + b"5\r\nxyzzy\r\n0\r\n\r\n", {405}
    yield "a chunked body without end", request("/", "PUT", "Transfer-Encoding: chunked") + b"ffffffff\r\n", {405}
    yield "two lengths", request("/", "GET", "Content-Length: 1", "Content-Length: 2"), bad
    yield "a length and chunks", request("/", "GET", "Content-Length: 5", "Transfer-Encoding: chunked"), bad | {200}
    yield "bytes", bytes(range(256)) * 64, bad
    yield "no name of a header", b"GET / HTTP/1.1\r\n: a\r\n\r\n", bad
    yield "a line without end", b"GET /" + MARK.encode() * 8192, {0, 400, 414, 431}


@row("E05", "requests that are none", seconds=120, long_seconds=300)
def nonsense(run):
    with Agent(run.directory, HOSTMETER_AGENT__LOG_LEVEL="debug").start() as agent:
        agent.page()
        surprises = []
        with Scrapes(agent.page, pause=0.01) as scrapes:
            for name, sent, expected in [*malformed()] * (200 if run.long else 10):
                try:
                    status, head, body = exchange(agent.port, sent, timeout=8)
                except TimeoutError:
                    status, head, body = "nothing for 8 s", "", b""
                if status not in expected or MARK in head.lower() or MARK.encode() in body.lower():
                    surprises.append(f"{name}: {status}")
            surprises += handshake(agent.port)
            surprises += pipelined(agent.port)
        run.figure("answered otherwise than by 4xx or a close", "0", " ".join([str(len(surprises)), *surprises[:3]]),
                   not surprises)
        page = agent.page_text().lower()
        run.same("lines of the page with something of a request", 0, page.count(MARK))
        run.same("lines of the log with something of a request", 0, agent.log().lower().count(MARK))
        scrapes.told(run, "meanwhile", 1.0)
        run.ends(agent)


def handshake(port):
    """TLS where none is spoken."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        exchange(port, b"", wrap=context.wrap_socket)
    except ssl.SSLError:
        return []
    return ["TLS: a handshake on a port without TLS"]


def pipelined(port):
    """Three requests in one go have three answers, in their order."""
    first = request("/-/healthy").replace(b"Connection: close\r\n", b"")
    status, _, rest = exchange(port, first + request(f"/{MARK}").replace(b"Connection: close\r\n", b"") + request("/"))
    found = [status, *(int(part[:3]) for part in rest.split(b"HTTP/1.1 ")[1:])]
    return [] if found == [200, 404, 200] else [f"pipelining: {found}"]
