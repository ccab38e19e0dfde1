"""Collectors that are away, come and go, or refuse at random: nothing is lost, nothing doubled."""

import random
import time

from oracle import Arrived
from peers import Peer, takes_and_resets
from receiver import Receiver, refuse
from row import row
from world import ADDRESS, Twin, agent, finish, healing, memory_growth, on_time, settled

UNAVAILABLE = 14


@row("N01", "nobody listens for 90 s (10 min)", seconds=200, long_seconds=800)
def refused(run):
    arrived = Arrived()
    receiver = Receiver(ADDRESS, arrived)
    with agent(run) as subject, receiver:
        subject.start()
        time.sleep(5)
        before = subject.log().count("\n")
        receiver.stop()
        with Twin(run) as twin, memory_growth(subject) as grown:
            time.sleep(600 if run.long else 90)
        healed = time.time()
        receiver.start()
        settled(arrived, healed)
        run.at_most("drained after its return", 60.0, next(
            r.at for r in arrived.since(healed) if r.waiting == 0) - healed, " s")
        time.sleep(3)
        run.at_most("lines in the log", 15, subject.log().count("\n") - before)
        run.at_most("memory grows by", 16.0, grown[0], " MiB")
        verdict = finish(run, subject, arrived, duplicates=1)
        on_time(run, verdict.late, twin)


@row("N17", "5 s there and 5 s away, for 60 s (30 min)", seconds=180, long_seconds=2000)
def flapping(run):
    arrived = Arrived()
    receiver = Receiver(ADDRESS, arrived)
    with agent(run) as subject, receiver:
        subject.start()
        end = time.time() + (1800 if run.long else 60)
        times = 0
        while time.time() < end:
            receiver.stop()
            time.sleep(5)
            receiver.start()
            time.sleep(5)
            times += 1
        settled(arrived, time.time())
        # A server that is ended may have taken what it could not answer any more.
        finish(run, subject, arrived, duplicates=times)


@row("N18a", "70 % of the calls refused at random, for 60 s", seconds=180)
def random_refusals(run):
    arrived, chance = Arrived(), random.Random(18)
    broken = [True]

    def answer(_, context):
        if broken[0] and chance.random() < 0.7:
            refuse(context, UNAVAILABLE)
        return 0

    with Receiver(ADDRESS, arrived, answer), agent(run) as subject:
        subject.start()
        time.sleep(60)
        broken[0] = False
        settled(arrived, time.time())
        finish(run, subject, arrived)


@row("N18b", "a peer takes the request and resets, for 30 s", seconds=150)
def ambiguous(run):
    arrived = Arrived()
    with agent(run) as subject:
        with Peer(ADDRESS, takes_and_resets(arrived)) as peer:
            subject.start()
            time.sleep(30)
        with Receiver(ADDRESS, arrived):
            healed = time.time()
            healing(run, arrived, healed)
            settled(arrived, healed)
            finish(run, subject, arrived, duplicates=peer.seen)
