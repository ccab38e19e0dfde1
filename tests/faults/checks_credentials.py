"""Tokens that expire and certificates that are renewed while data flows."""

import subprocess
import time

from disk import books
from oracle import Arrived, in_order
from receiver import Receiver, refuse
from report import wait_for
from row import row
from world import ADDRESS, agent, finish, healing, settled

UNAUTHENTICATED = 16
# Between two probes of a peer that refuses us there are 30 to 33 s.
PROBE = 33.0


@row("N15", "a token expires and is replaced after 70 s (5 min)", seconds=240, long_seconds=600)
def expired(run):
    token, arrived, good = run.directory / "token", Arrived(), ["old"]
    token.write_text("old\n")

    def answer(message, context):
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {good[0]}":
            refuse(context, UNAUTHENTICATED)
        return 0

    away = 300 if run.long else 70
    with Receiver(ADDRESS, arrived, answer), agent(run, HOSTMETER_OTLP__BEARER_TOKEN_FILE=token) as subject:
        subject.start()
        wait_for("deliveries with the old token", 20, lambda: len(arrived) >= 5)
        good[0] = "new"
        time.sleep(away)
        token.write_text("new\n")
        healed = time.time()
        wait_for("a delivery with the new token", 60, lambda: arrived.since(healed))
        run.at_most("the new token is used", PROBE + 1, arrived.since(healed)[0].at - healed, " s")
        settled(arrived, healed)
        found = books(subject)
        code, _ = subject.stop()
    lost, doubled, disorder = in_order([tick for request in arrived.all() for tick in request.ticks], 1)
    run.at_most(f"batches dropped of {away}", 10 if run.long else 2 + 2 * away // 60, lost)
    run.figure("points counted as dropped", "of so many batches", str(found.dropped),
               set(found.dropped) == {"non retryable"} and lost > 0)
    run.same("points delivered, against those that arrived", True, found.delivered >= sum(
        request.points for request in arrived.all() if request.at < healed) and found.missing() == 0)
    run.same("doubled, out of order, exit", "0, 0, 0", f"{doubled}, {disorder}, {code}")


def openssl(*argv):
    subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)


def authority(directory, name):
    """An authority of one's own: its certificate, and the key and the certificate of a receiver."""
    of = {what: directory / f"{name}-{what}" for what in ("ca.key", "ca.pem", "key", "csr", "pem", "ext")}
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-days", "2", "-subj", f"/CN={name}", "-keyout", of["ca.key"], "-out", of["ca.pem"])
    openssl("req", *new, "-subj", "/CN=receiver", "-keyout", of["key"], "-out", of["csr"])
    of["ext"].write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n")
    openssl("x509", "-req", "-in", of["csr"], "-CA", of["ca.pem"], "-CAkey", of["ca.key"], "-CAcreateserial",
            "-days", "2", "-extfile", of["ext"], "-out", of["pem"])
    return of["ca.pem"].read_bytes(), (of["key"].read_bytes(), of["pem"].read_bytes())


@row("N14b", "authority and certificate are renewed while data flows", seconds=150)
def rotated(run):
    (old_ca, old), (new_ca, new) = (authority(run.directory, name) for name in ("old", "new"))
    trusted, arrived = run.directory / "trusted.pem", Arrived()
    trusted.write_bytes(old_ca)
    with agent(run, f"https://{ADDRESS}", OTEL_EXPORTER_OTLP_CERTIFICATE=trusted) as subject:
        with Receiver(ADDRESS, arrived, tls=old):
            subject.start()
            wait_for("deliveries by the old one", 20, lambda: len(arrived) >= 5)
        # The receiver is renewed first, as a careless operator would, and the agent's file some seconds later.
        with Receiver(ADDRESS, arrived, tls=new):
            time.sleep(5)
            before = len(arrived)
            trusted.write_bytes(new_ca)
            renewed = time.time()
            healing(run, arrived, renewed, most=30.0)
            run.same("requests sent to one that was not trusted yet", 0, before - len(
                [request for request in arrived.all() if request.at < renewed - 5]))
            settled(arrived, renewed)
            finish(run, subject, arrived, duplicates=1)
