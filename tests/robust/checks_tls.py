"""Encryption: nothing old or weak is spoken, and certificates are renewed under way."""

import os
import shutil
import ssl
import subprocess
import threading
import time
import xml.etree.ElementTree

from clients import connect, exchange, request
from components import Agent
from report import wait_for
from row import row
from world import certificate

OLD = ("ssl", "2"), ("ssl", "3"), ("tls", "1.0"), ("tls", "1.1")
HANDSHAKES = 1000


class TlsAgent(Agent):
    """The agent with a web configuration file; its certificate is that of `use`."""

    def __init__(self, run, more=""):
        self.web = run.directory / "web.yaml"
        self.pem, self.key = run.directory / "now.pem", run.directory / "now.key"
        self.web.write_text(f"tls_server_config: {{cert_file: {self.pem.name}, key_file: {self.key.name}}}\n{more}")
        super().__init__(run.directory, HOSTMETER_PROMETHEUS__WEB_CONFIG_FILE=self.web)

    def use(self, chosen):
        """Renews key and certificate as others do: each written beside the old one, then renamed."""
        for source, target in [(chosen.file.with_suffix(".key"), self.key), (chosen.file, self.pem)]:
            beside = target.with_suffix(".beside")
            shutil.copy(source, beside)
            os.rename(beside, target)

    def probe(self):
        return self.scrape("/-/healthy")[0] == 200

    def scrape(self, path="/metrics"):
        return exchange(self.port, request(path), wrap=lambda client: anybody().wrap_socket(client))


def anybody():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@row("E06", "what sslscan finds", seconds=90)
def scanned(run):
    with TlsAgent(run) as agent:
        agent.use(certificate(run.directory, "first"))
        agent.start()
        done = subprocess.run(["sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{agent.port}"],
                              capture_output=True, text=True, timeout=60, check=True)
        found = xml.etree.ElementTree.fromstring(done.stdout)
        spoken = [(p.get("type"), p.get("version")) for p in found.iter("protocol") if p.get("enabled") == "1"]
        run.same("versions spoken", "tls 1.2, tls 1.3", ", ".join(sorted(" ".join(p) for p in spoken)))
        run.same("SSL, TLS 1.0 and TLS 1.1", 0, sum(version in OLD for version in spoken))
        suites = {c.get("cipher"): int(c.get("bits")) for c in found.iter("cipher") if c.get("status") != "rejected"}
        run.at_least("suites", 3, len(suites))
        weak = [name for name, bits in suites.items() if bits < 128 or "GCM" not in name and "POLY1305" not in name]
        run.figure("weak suites", "none", ", ".join(weak) or "none", not weak)
        broken = [h.get("sslversion") for h in found.iter("heartbleed") if h.get("vulnerable") != "0"]
        run.same("Heartbleed", [], broken)
        run.same("compression", 0, [c.get("supported") for c in found.iter("compression")].count("1"))
        insecure = [r.get("secure") for r in found.iter("renegotiation") if r.get("supported") == "1"]
        run.same("insecure renegotiation", 0, insecure.count("0"))
        status, _, body = exchange(agent.port, request())
        run.same("plain HTTP is told what to do", "400, https", f"{status}, {'https' if b'https://' in body else body}")
        run.ends(agent)


@row("E07", f"certificates are renewed during {HANDSHAKES} handshakes; a broken one", seconds=150)
def renewed(run):
    pairs = [certificate(run.directory, name) for name in ("first", "second")]
    with TlsAgent(run) as agent:
        agent.use(pairs[0])
        agent.start()
        seen, failed, left = {}, [], iter(range(HANDSHAKES))
        context = ssl.create_default_context()
        context.check_hostname = False
        for pair in pairs:
            context.load_verify_locations(pair.file)

        def shake():
            # `next` of a shared iterator of the interpreter's own is one step.
            while next(left, None) is not None:
                try:
                    with context.wrap_socket(connect(agent.port)) as client:
                        name = dict(part[0] for part in client.getpeercert()["subject"])["commonName"]
                        client.sendall(request("/-/healthy"))
                        if b"200 OK" not in client.recv(4096):
                            raise ValueError("no answer")
                        seen[name] = seen.get(name, 0) + 1
                except (OSError, ValueError) as problem:
                    failed.append(f"{type(problem).__name__}: {problem}")
                time.sleep(0.03)

        threads = [threading.Thread(target=shake) for _ in range(4)]
        for thread in threads:
            thread.start()
        renewals = 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(1.6)
            renewals += 1
            agent.use(pairs[renewals % 2])
        for thread in threads:
            thread.join()
        run.at_least("renewals", 3, renewals)
        run.figure("handshakes that failed", "0", " ".join([str(len(failed)), *failed[:1]]), not failed)
        run.at_least("by the first certificate", 1, seen.get("first", 0))
        run.at_least("by the second certificate", 1, seen.get("second", 0))
        broken(run, agent, pairs[renewals % 2], context)
        run.ends(agent)


def broken(run, agent, last, context):
    """A certificate that is none, and then a file that is none."""
    served = lambda: ssl.get_server_certificate(("127.0.0.1", agent.port), timeout=5)  # noqa: E731
    whole, web = last.file.read_text(), agent.web.read_text()
    wait_for("the last certificate in use", 10, lambda: served() == whole)
    kept, told = [], agent.log().count("what was read before holds")
    for path, text in [(agent.pem, whole[:200]), (agent.web, "tls_server_confog: {}\n"), (agent.web, "")]:
        path.write_text(text)
        for _ in range(4):
            time.sleep(1.1)
            kept.append(served() == whole)
        agent.pem.write_text(whole)
    run.figure("a broken file: the old certificate is kept", f"{len(kept)} of {len(kept)}",
               f"{sum(kept)} of {len(kept)}", all(kept))
    run.same("lines of the log for three broken files", 3, agent.log().count("what was read before holds") - told)
    agent.web.write_text(web)
