"""An endpoint that is understood but wrong: the agent goes on, serves /metrics, and says what to change."""

import re
import subprocess
from contextlib import ExitStack

from components import Agent, Collector
from report import wait_for

# Some attempts, each with its own time limit.
HINT_WITHIN = 20


def run(report, directory, options):
    with ExitStack() as stack:
        plain = stack.enter_context(Collector(directory, "collector-plain")).start()
        hint(report, directory, "https to a plaintext port", f"https://{plain.grpc}",
             r"http://|plaintext|not (speak|answer)\w* TLS")
        # The default ports on another loopback address than everybody's, so that the hint may go by the number.
        wrong = stack.enter_context(Collector(directory, "collector-http", http="127.0.0.87:4318")).start()
        hint(report, directory, "gRPC to the HTTP port 4318", f"http://{wrong.http}", "4317")
        certificate, key = self_signed(directory)
        tls = "receivers.otlp.protocols.grpc.tls"
        secure = stack.enter_context(Collector(directory, "collector-tls", extra=[
            "--set", f"{tls}.cert_file={certificate}", "--set", f"{tls}.key_file={key}"])).start()
        hint(report, directory, "http to a TLS port", f"http://{secure.grpc}", r"https://|\bTLS\b")


def hint(report, directory, name, endpoint, pattern):
    with report.check(f"bad endpoint: {name} is hinted at, and the agent goes on") as check:
        log_name = "hostmeter-" + re.sub(r"\W+", "-", name)
        with Agent(directory, log_name, endpoint=endpoint, interval_ms=1000) as agent:
            agent.start()
            lines = lambda: [line for line in agent.log().splitlines()  # noqa: E731
                             # The endpoint itself, repeated, is no hint.
                             if re.search(pattern, line.replace(endpoint, ""), re.I)]
            try:
                wait_for(f"a line with /{pattern}/", HINT_WITHIN, lines)
            except TimeoutError as problem:
                check.that(False, f"{problem}; the log: {agent.log()[-400:]!r}")
            check.that(agent.alive() and agent.page().samples, "/metrics is not served")
            check.same("exit code", agent.stop()[0], 0)


def self_signed(directory):
    """A certificate for the loopback that nobody trusts: it is only there to make the port speak TLS."""
    certificate, key = directory / "tls.pem", directory / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    return certificate, key
