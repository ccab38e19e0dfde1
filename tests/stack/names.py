"""Every metric, label and value that rules and dashboards name exists: in hostmeter's own list, or on the page of what
else is asked for."""

import re

import catalogue
from components import get
from promtext import Page
from promql import asked

# What Prometheus, OTLP and the rules put on any series.
ANYWHERE = {"job", "instance", "le", "alertname", "alertstate", "severity", "__name__"}
# Of the resource; on target_info.
RESOURCE = {"host_name", "os_name", "os_version", "service_version"}
# What only exists once something has gone wrong.
OF_TROUBLE = {
    "otelcol_exporter_(send|enqueue)_failed_metric_points(_total)?": {"exporter"},
    "otelcol_receiver_refused_metric_points(_total)?": {"receiver"},
}
# In an agent that is newer than this test, and told as soon as it is there.
EXPECTED = {"hostmeter_config_last_reload_successful_ratio"}


class Names:
    """`known` is metric to its labels, `values` (metric, label) to the closed set of its values."""

    def __init__(self, prometheus, pages):
        self.known, self.values = {}, {}
        for metric in catalogue.load().values():
            labels = catalogue.labels(metric.attributes | metric.sometimes)
            if metric.name.startswith("process."):
                labels |= catalogue.labels(catalogue.ENTITY)
            # The Collector takes a `total` in the name and the counter's own for one.
            for name in {metric.prometheus, metric.prometheus.replace("_total_", "_")}:
                self.known[name] = labels
                for attribute, values in metric.values.items():
                    self.values[name, attribute.replace(".", "_")] = values
        self.late = {name for name in EXPECTED if name not in self.known}
        for name in self.late:
            self.known[name] = set()
        for page in pages:
            for name, samples in page.samples.items():
                self.known.setdefault(name, set()).update(*(labels for labels, _ in samples))
        for name in ("up", "ALERTS"):
            self.known[name] = set()
        self.known["target_info"] = RESOURCE
        self.known |= OF_TROUBLE
        # In their order, so that a rule may use one that was recorded before it.
        for rule in rules(prometheus, "recording"):
            self.known[rule["name"]] = set().union(*(self.known.get(m, set()) for m in self._metrics(rule["query"])))
            self.known[rule["name"]] |= asked(rule["query"]).grouped | set(re.findall(r'label_replace\(.*?"(\w+)"',
                                                                                      rule["query"], re.S))

    def _metrics(self, expression):
        """The metrics of an expression, with all that a regular expression stands for."""
        for name in asked(expression).metrics:
            if name in self.known:
                yield name
            else:
                yield from (known for known in self.known if re.fullmatch(name, known))

    def check(self, check, expression):
        """Adds what does not exist."""
        found = asked(expression)
        check.that(found.metrics or expression.startswith(("vector", "time")), f"no metric in {expression}")
        labels = set(ANYWHERE | RESOURCE)
        for name in found.metrics:
            here = [name] if name in self.known else [known for known in self.known if re.fullmatch(name, known)]
            check.that(here, f"no metric {name}")
            for known in here:
                labels |= self.known[known]
        for name, label, operator, value in found.matchers:
            here = [name] if name in self.known else [known for known in self.known if re.fullmatch(name, known)]
            for known in here:
                check.that(label in self.known[known] | ANYWHERE, f"{known} has no label {label}")
                closed = self.values.get((known, label))
                if closed and "$" not in value:
                    wrong = {one for one in (value.split("|") if "~" in operator else [value]) if one not in closed}
                    check.that(not wrong, f"{label} of {known} is never {sorted(wrong)}")
        more = re.findall(r'label_replace\(.*?"(\w+)"', expression, re.S)
        check.that(found.grouped <= labels | set(more), f"no label {sorted(found.grouped - labels - set(more))}")


def rules(prometheus, kind):
    """The rules that Prometheus has loaded, in their order."""
    return [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"] if rule["type"] == kind]


def pages(stack):
    """What is asked for beside the catalogue: the service, the other dialect, Prometheus, Alertmanager."""
    others = (stack.prometheus.address, stack.alertmanager.address)
    return [Page(stack.webapp.page_text()), stack.classic.page(), *(Page(get(f"http://{address}/metrics")[1]) for address in others)]
