"""Peers that say nothing, too little or too much: every attempt has an end, and the ticks do not notice."""

import time

import peers
from disk import books
from oracle import Arrived, in_order, lateness
from peers import Peer
from receiver import Receiver
from row import row
from world import (
    ADDRESS, Attempts, Twin, agent, certificate, finish, healing, memory_growth, nft, nft_off, on_time, settled,
)

CONNECT, CALL = 3.5, 10.5
# What a poll each 50 ms and a busy machine add to what is seen of an attempt.
SLACK = 0.25


@row("N02", "a black hole: SYN packets vanish for 30 s (10 min)", seconds=150, long_seconds=800)
def black_hole(run):
    arrived = Arrived()
    with agent(run) as subject, Receiver(ADDRESS, arrived):
        nft("tcp dport 4317")
        with Attempts() as attempts, Twin(run) as twin:
            subject.start()
            time.sleep(600 if run.long else 30)
        nft_off()
        recovered(run, subject, arrived, attempts, twin, CONNECT)


def recovered(run, subject, arrived, attempts, twin, deadline):
    """After the fault has gone."""
    healed = time.time()
    healing(run, arrived, healed)
    settled(arrived, healed)
    time.sleep(2)
    run.at_least("attempts seen", 2, attempts.seen)
    run.at_most("the longest attempt, seen from outside", deadline + SLACK, attempts.longest(), " s")
    told = [r.attempt for r in arrived.all() if r.attempt]
    run.at_most("the longest attempt, as the agent tells", deadline, max(told, default=None), " s")
    verdict = finish(run, subject, arrived)
    on_time(run, verdict.late, twin)


def misbehaves(run, manner, deadline=CALL, seconds=30):
    """A peer of that manner for some time, and then a true one in its place."""
    arrived = Arrived()
    with agent(run) as subject:
        with Peer(ADDRESS, manner) as attempts, Twin(run) as twin:
            subject.start()
            time.sleep(600 if run.long else seconds)
        with Receiver(ADDRESS, arrived):
            recovered(run, subject, arrived, attempts, twin, deadline)


@row("N03", "TCP is accepted, the TLS handshake never ends", seconds=150, long_seconds=800)
def silent_tls(run):
    arrived = Arrived()
    tls = certificate(run.directory, "good")
    with agent(run, f"https://{ADDRESS}", SSL_CERT_FILE=tls.file) as subject:
        with Peer(ADDRESS, peers.silent) as attempts, Twin(run) as twin:
            subject.start()
            time.sleep(600 if run.long else 30)
        with Receiver(ADDRESS, arrived, tls=tls.pair):
            recovered(run, subject, arrived, attempts, twin, CONNECT)


@row("N04a", "TCP is accepted, HTTP/2 never begins", seconds=150, long_seconds=800)
def silent(run):
    misbehaves(run, peers.silent)


@row("N04b", "HTTP/2 is spoken, no call is answered", seconds=150, long_seconds=800)
def mute(run):
    misbehaves(run, peers.mute)


@row("N05", "response headers, and then nothing", seconds=150, long_seconds=800)
def headers_only(run):
    misbehaves(run, peers.headers_only)


@row("N06a", "a response of a byte each second", seconds=150, long_seconds=800)
def slow(run):
    misbehaves(run, peers.slow)


def absurd(run, manner):
    """Answers that cost more than any honest one: whoever gives them is not fed, and not asked soon again."""
    arrived, away = Arrived(), 600 if run.long else 30
    with agent(run) as subject:
        with Peer(ADDRESS, manner) as attempts, Twin(run) as twin:
            subject.start()
            begun = time.time()
            with memory_growth(subject) as grown:
                time.sleep(away)
        dropped = 2 + 2 * away // 60
        with Receiver(ADDRESS, arrived):
            healed = time.time()
            healing(run, arrived, healed, most=33.5)
            settled(arrived, healed)
            found = books(subject)
            code, _ = subject.stop()
    ticks = sorted({tick for request in arrived.all() for tick in request.ticks})
    lost, doubled, disorder = in_order(ticks, 1)
    first = round(ticks[0] / 1e9 - begun)
    run.at_most("connections", dropped, attempts.seen)
    run.at_most("the longest attempt, seen from outside", CALL + SLACK, attempts.longest(), " s")
    run.at_most(f"batches dropped in {away} s", dropped, lost + first)
    run.figure("points counted", "as dropped: non retryable, and all", f"{found.dropped}, {found.missing()} missing",
               set(found.dropped) == {"non retryable"} and found.missing() == 0)
    run.same("doubled, out of order, exit", "0, 0, 0", f"{doubled}, {disorder}, {code}")
    run.at_most("memory grows by", 8.0, grown[0], " MiB")
    late, _ = lateness([request.began for request in arrived.all()], 1)
    on_time(run, late, twin)


@row("N06b", "a response of 100 MiB", seconds=150, long_seconds=800)
def huge(run):
    absurd(run, peers.huge)


@row("N06c", "a response that is 100 MiB when unpacked", seconds=150, long_seconds=800)
def bomb(run):
    absurd(run, peers.bomb)
