"""Connections that break, hang in the middle, lose packets or lead to another host."""

import subprocess
import time

import peers
from oracle import Arrived
from peers import Peer
from receiver import Receiver
from report import wait_for
from row import row
from world import ADDRESS, Attempts, agent, certificate, finish, healing, nft, nft_off, settled


def breaks(run, manner):
    """Every request for 60 s meets this."""
    arrived = Arrived()
    with agent(run) as subject:
        with Peer(ADDRESS, manner) as peer:
            subject.start()
            time.sleep(60)
        run.at_least("connections seen", 3, peer.seen)
        with Receiver(ADDRESS, arrived):
            healed = time.time()
            healing(run, arrived, healed)
            settled(arrived, healed)
            finish(run, subject, arrived)


@row("N07a", "RST in the middle of each request, for 60 s", seconds=180)
def rst(run):
    breaks(run, peers.reset)


@row("N07b", "FIN instead of each answer, for 60 s", seconds=180)
def fin(run):
    breaks(run, peers.close)


@row("N07c", "GOAWAY at each request, for 60 s", seconds=180)
def goaway(run):
    breaks(run, peers.goaway)


@row("N07d", "RST_STREAM at each request, for 60 s", seconds=180)
def reset_stream(run):
    breaks(run, peers.reset_stream)


@row("N08", "half-open: the flow is forgotten, new ones are fine", seconds=120)
def half_open(run):
    arrived = Arrived()
    with Receiver(ADDRESS, arrived), agent(run) as subject:
        subject.start()
        wait_for("the first deliveries", 20, lambda: len(arrived) >= 3)
        [(port, _)] = Attempts().sockets()
        nft(f"tcp dport {port}", f"tcp sport {port}")
        cut = time.time()
        # What was on its way at that moment is no delivery of afterwards.
        wait_for("a delivery by a new flow", 60, lambda: arrived.since(cut + 1))
        run.at_most("delivers again", 15.0, arrived.since(cut + 1)[0].at - cut, " s")
        settled(arrived, cut + 1)
        # The answer to one request may have been on the forgotten flow.
        finish(run, subject, arrived, duplicates=1)


@row("N13", "the name moves to another address, the old one is dead", seconds=120)
def moved(run):
    hosts = run.directory / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 collector.test\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    arrived = Arrived()
    with Receiver("127.0.0.2:4317", arrived), Receiver("127.0.0.3:4317", arrived) as new:
        with agent(run, "http://collector.test:4317") as subject:
            subject.start()
            wait_for("the first deliveries", 20, lambda: len(arrived) >= 3)
            hosts.write_text("127.0.0.1 localhost\n127.0.0.3 collector.test\n")
            nft("ip daddr 127.0.0.2", "ip saddr 127.0.0.2")
            cut = time.time()
            wait_for("a delivery at the new address", 60, lambda: arrived.since(cut + 1))
            run.at_most("the new address is used", 15.0, arrived.since(cut + 1)[0].at - cut, " s")
            settled(arrived, cut + 1)
            finish(run, subject, arrived, duplicates=1)
            new.stop()


@row("N16", "30 % of the packets are lost, for 60 s", seconds=240)
def lossy(run):
    arrived = Arrived()
    with Receiver(ADDRESS, arrived), agent(run) as subject:
        subject.start()
        wait_for("the first deliveries", 20, lambda: len(arrived) >= 3)
        nft("tcp dport 4317 numgen random mod 100 < 30", "tcp sport 4317 numgen random mod 100 < 30")
        begun = time.time()
        time.sleep(60)
        during = len(arrived.since(begun))
        nft_off()
        settled(arrived, time.time(), seconds=100)
        run.at_least("requests delivered meanwhile", 1, during)
        # Each answer that was too late is a request that was taken and is sent again.
        finish(run, subject, arrived, duplicates=60 // 10)


@row("N16b", "a road of 64 kbit/s, for 60 s", seconds=150)
def narrow(run):
    # The road takes no packet larger than its bucket.
    subprocess.run("ip link set lo mtu 1500 && tc qdisc add dev lo root tbf rate 64kbit burst 4kb latency 2s",
                   shell=True, check=True)
    arrived = Arrived()
    with Receiver(ADDRESS, arrived), agent(run, interval=5, OTEL_METRICS_EXPORTER="otlp") as subject:
        subject.launch()
        begun = time.time()
        time.sleep(60)
        run.at_least("requests delivered meanwhile", 10, len(arrived.since(begun)))
        finish(run, subject, arrived, interval=5)


@row("N14a", "certificates that nobody knows, or for another name", seconds=120)
def certificates(run):
    good, unknown = certificate(run.directory, "good"), certificate(run.directory, "unknown")
    other = certificate(run.directory, "other", "127.0.0.9")
    known = run.directory / "known.pem"
    known.write_bytes(good.pair[1] + other.pair[1])
    arrived = Arrived()
    with agent(run, f"https://{ADDRESS}", SSL_CERT_FILE=known) as subject:
        subject.start()
        for wrong in (unknown, other):
            with Receiver(ADDRESS, arrived, tls=wrong.pair):
                time.sleep(10)
            run.same(f"requests sent to {wrong.file.stem}", 0, len(arrived))
        with Receiver(ADDRESS, arrived, tls=good.pair):
            healed = time.time()
            healing(run, arrived, healed)
            settled(arrived, healed)
            finish(run, subject, arrived)
