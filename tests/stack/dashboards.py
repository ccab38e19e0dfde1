"""Dashboards as Grafana would take them: linted, and every query asked with the variables filled in."""

import json
import math
import os
import re

from world import EXAMPLES, RATE, has_conntrack, has_swap

FOLDER = EXAMPLES / "grafana/dashboards"
# Of what went well they say nothing.
SOMETIMES = {"reason"}
# Panels that this machine, or a host that is well, cannot have data for: (dashboard, heading or panel) to the reason.
EMPTY = {
    ("host", "Swap"): lambda _: None if has_swap() else "no swap",
    ("host", "Tracked connections"): lambda _: None if has_conntrack() else "no connection tracking",
    ("agent", "Problems"): lambda _: "a counter of problems, and there may have been none",
    ("agent", "Makes do with less"): lambda have: None if have("hostmeter_limit_step") else "the agent does not tell it",
    ("pressure", "Interrupts"): lambda _: _no_irq(),
    ("pressure", "Interrupts: full"): lambda _: _no_irq(),
}


def _no_irq():
    return None if os.path.exists("/proc/pressure/irq") else "a kernel without interrupt pressure"


def load():
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def lint(check, name, dashboard):
    text = json.dumps(dashboard)
    check.that(dashboard["uid"] and dashboard["title"] and dashboard["description"], "no uid, title or description")
    check.that(dashboard["schemaVersion"] >= 36, "an old schema")
    check.that("__inputs" not in dashboard, "asks for inputs, which provisioning does not fill in")
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    check.same("the first variable", variables[0], "datasource")
    ids = [panel["id"] for panel in dashboard["panels"]]
    check.that(len(ids) == len(set(ids)), "two panels have one id")
    titles = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    check.that(len(titles) == len(set(titles)), "two rows have one heading")
    for host in (r"localhost", r"\b\d+\.\d+\.\d+\.\d+\b", r"https?://"):
        check.that(not re.search(host, text), f"an absolute host: {host}")
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__field", "__all"}
    check.that(used <= set(variables), f"no variable {sorted(used - set(variables))}")
    check.that(set(variables) <= used, f"nobody uses {sorted(set(variables) - used)}")
    taken = set()
    for panel in panels(dashboard):
        where = f"{panel['title']}:"
        check.that(panel.get("description"), f"{where} no description")
        check.that(panel["fieldConfig"]["defaults"].get("unit"), f"{where} no unit")
        check.that(panel["targets"], f"{where} no query")
        check.same(f"{where} data source", panel["datasource"], {"type": "prometheus", "uid": "${datasource}"})
        for target in panel["targets"]:
            check.that(target["legendFormat"], f"{where} no legend")
            check.same(f"{where} data source", target["datasource"]["uid"], "${datasource}")
        at = panel["gridPos"]
        check.that(at["x"] + at["w"] <= 24, f"{where} wider than the grid")
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        check.that(not cells & taken, f"{where} lies on another")
        taken |= cells


class Variables:
    """The values of a dashboard's variables, each asked for with those before it filled in."""

    def __init__(self, prometheus, dashboard, fixed):
        self.values, self.asked = {}, {}
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "datasource":
                continue
            query = variable["query"]["query"]
            selector, label = re.fullmatch(r"label_values\((.*), *(\w+)\)", query).groups()
            found = prometheus.api("series", **{"match[]": self.fill(selector)})
            values = sorted({series[label] for series in found if label in series})
            self.asked[variable["name"]] = (query, values)
            chosen = [v for v in values if v == fixed] if variable["name"] == "job" else values
            # Where only one can be chosen Grafana takes the first.
            self.values[variable["name"]] = chosen if variable["multi"] else chosen[:1]

    def fill(self, expression):
        """As Grafana does: one value as it is, several as alternatives, both escaped for a regular expression."""
        for name, values in sorted(self.values.items(), key=lambda pair: -len(pair[0])):
            escaped = [re.sub(r"([.\\*+?()|{}\[\]^$/])", r"\\\\\1", value) for value in values]
            text = escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
            expression = re.sub(rf"\$({name}\b|\{{{name}\}})", lambda _, text=text: text, expression)
        return expression.replace("$__rate_interval", RATE)


def reason_for_none(prometheus, name, panel):
    return EMPTY.get((name, panel["title"]), lambda _: None)(prometheus.query)


def ask(check, prometheus, variables, panel):
    """Runs a panel's queries; every one must give a number."""
    for target in panel["targets"]:
        expression = variables.fill(target["expr"])
        check.that("$" not in expression, f"a variable is left: {expression}")
        found = prometheus.query(expression)
        numbers = [value for _, value in found if not math.isnan(value)]
        check.that(numbers, f"no data: {expression}")
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - SOMETIMES
        missing = shown - {label for labels, _ in found for label in labels}
        check.that(not missing, f"the legend shows {sorted(missing)}, which no series has: {expression}")
        top = panel["fieldConfig"]["defaults"].get("max")
        if top is not None:
            check.that(all(-0.01 <= value <= top * 1.01 for value in numbers), f"outside 0 to {top}: {numbers[:5]}")
