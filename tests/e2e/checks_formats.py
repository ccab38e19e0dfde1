"""Every format of the page read by the parsers of `prometheus_client`, which are not ours and strict."""

import json
import subprocess

from components import Agent, environment, get, packages

STRATEGIES = ("UnderscoreEscapingWithSuffixes", "UnderscoreEscapingWithoutSuffixes", "NoUTF8EscapingWithSuffixes",
              "NoTranslation")
FORMATS = [("text/plain;version=0.0.4", "text"), ("text/plain;version=1.0.0", "text"),
           ("application/openmetrics-text;version=0.0.1", "openmetrics"),
           ("application/openmetrics-text;version=1.0.0", "openmetrics")]
ESCAPINGS = ("underscores", "allow-utf-8", "dots", "values")


def run(report, directory, options):
    python = packages("prometheus_client==0.23.1")
    for strategy in STRATEGIES:
        with Agent(directory, f"hostmeter-{strategy}", HOSTMETER_PROMETHEUS__TRANSLATION_STRATEGY=strategy) as agent:
            agent.start()
            agent.page()
            for accept, parser in FORMATS:
                escapings = ESCAPINGS if "1.0.0" in accept else ("",)
                for escaping in escapings:
                    one(report, python, agent, strategy, accept, escaping, parser)


def one(report, python, agent, strategy, accept, escaping, parser):
    wish = f"{accept};escaping={escaping}" if escaping else accept
    with report.check(f"formats: {strategy}, {wish}") as check:
        status, text = get(f"http://127.0.0.1:{agent.port}/metrics", headers={"Accept": wish})
        check.same("status", status, 200)
        script = __file__.replace("checks_formats", "read_page")
        done = subprocess.run([python, script, parser], input=text, capture_output=True, text=True, env=environment(),
                              check=False)
        check.same("what the parser says", done.stderr[-300:], "")
        samples = [json.loads(line) for line in done.stdout.splitlines()]
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        check.same("samples", len(samples), len(lines))
        check.that(len(samples) > 150, f"{len(samples)} samples")
        dots = any("." in name for name, *_ in samples)
        check.same("names with dots", dots, escaping == "allow-utf-8" and strategy.startswith("No"))
        if escaping not in ("dots", "values"):
            name = "system.memory.limit" if dots else "system_memory_limit"
            name += "_bytes" if strategy.endswith("WithSuffixes") else ""
            check.that(any(found == name for found, *_ in samples), f"no {name}")
