"""`promtool check metrics` on the page, with a list of what it may say."""

import subprocess
import time
from pathlib import Path

import catalogue
from components import Agent

ALLOWED = Path(__file__).with_name("promtool-allowed.txt")
# promtool's own: parsed well, but linted with problems.
LINTED = 3


def run(report, directory, options):
    metrics = {m.prometheus for m in catalogue.load().values()}
    with Agent(directory, "hostmeter-promtool") as agent:
        agent.start()
        # The second page has the rates as well.
        agent.page()
        time.sleep(1.2)
        text = agent.page_text()
    (directory / "page.prom").write_text(text)
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    said = [line for line in (done.stdout + done.stderr).decode().splitlines() if line]
    allowed = dict(read_allowed())
    with report.check("promtool: the page parses, and what it says is on the list") as check:
        check.that(done.returncode in (0, LINTED), f"promtool ends with {done.returncode}: {said[:3]}")
        for line in said:
            name, _, problem = line.partition(" ")
            check.that(allowed.get(name) == problem, line)
    with report.check("promtool: every entry of the list is still needed") as check:
        on_page = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE ")}
        for name, problem in allowed.items():
            check.that(name in metrics, f"the catalogue has no {name}")
            # What this host cannot give is not on its page.
            check.that(name not in on_page or f"{name} {problem}" in said, f"promtool no longer says: {name} {problem}")


def read_allowed():
    """Pairs of a metric and the problem; every line must give its reason."""
    for number, line in enumerate(ALLOWED.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        said, _, reason = line.partition(" # ")
        if not reason.strip():
            raise ValueError(f"{ALLOWED.name}:{number}: no reason")
        name, _, problem = said.strip().partition(" ")
        yield name, problem.strip()
