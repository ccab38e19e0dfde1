#!/usr/bin/env python3
"""Writes dashboards/*.json from source/*.py.

    examples/grafana/build.py            writes them
    examples/grafana/build.py --check    fails where one is not what would be written

Only the standard library is used. A dashboard is a title, variables and rows of panels; a panel is a title, what it
means, a unit and its queries with their legends.
"""

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DASHBOARDS = ("fleet", "host", "processes", "pressure", "agent", "web", "business", "classic")

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
HEIGHT = {"stat": 4, "timeseries": 8, "table": 10, "bargauge": 8}

# The host's name on a query that is by job and instance. Grouped, because target_info may be there more than once.
NAMED = "* on (job, instance) group_left (host_name) group by (job, instance, host_name) (target_info)"


def panel(title, about, unit, *queries, kind="timeseries", width=8, stack=False, top=None, steps=None, links=None):
    """`queries` are pairs of an expression and a legend; a table takes the names of its columns for legends."""
    fields = {"unit": unit, "color": {"mode": "thresholds" if kind in ("stat", "bargauge") else "palette-classic"},
              "thresholds": {"mode": "absolute", "steps": _steps(steps)}}
    if top is not None:
        fields |= {"min": 0, "max": top}
    if kind == "timeseries":
        fields["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if stack else 8,
                            "showPoints": "never",
                            "stacking": {"mode": "normal" if stack else "none", "group": "A"}}
    if links:
        fields["links"] = links
    made = {"title": title, "description": about, "type": kind, "datasource": SOURCE, "width": width,
            "fieldConfig": {"defaults": fields, "overrides": []}, "options": OPTIONS[kind],
            "targets": [_target(at, query, kind) for at, query in enumerate(queries)]}
    if kind == "table":
        made |= _columns(queries)
    return made


OPTIONS = {
    "timeseries": {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max", "lastNotNull"],
                              "showLegend": True},
                   "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {"colorMode": "value", "graphMode": "area", "textMode": "auto",
             "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
    "bargauge": {"displayMode": "basic", "orientation": "horizontal",
                 "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
    "table": {"showHeader": True, "cellHeight": "sm"},
}


def _steps(steps):
    """From green by (value, colour) upwards."""
    return [{"color": "green", "value": None}, *({"color": colour, "value": value} for value, colour in steps or ())]


def _target(at, query, kind):
    expression, legend = query[:2]
    made = {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
    if kind in ("table", "bargauge"):
        made |= {"instant": True, "range": False}
    if kind == "table":
        made["format"] = "table"
    return made


def _columns(queries):
    """One row a host, one column a query; (expression, column, unit)."""
    names = {f"Value #{chr(ord('A') + at)}": query[1] for at, query in enumerate(queries)}
    hidden = {name: True for name in ("Time", "job", "instance")}
    overrides = [{"matcher": {"id": "byName", "options": query[1]}, "properties": [{"id": "unit", "value": query[2]}]}
                 for query in queries]
    return {"transformations": [{"id": "merge", "options": {}},
                                {"id": "organize", "options": {"renameByName": names | {"host_name": "Host"},
                                                               "excludeByName": hidden}}],
            "overrides": overrides}


def datasource():
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
            "current": {}, "options": [], "refresh": 1, "regex": "", "multi": False, "includeAll": False}


def variable(name, label, query, multi=True, hidden=False):
    """A variable of what a query gives; all of it to begin with where several may be chosen."""
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query,
            "query": {"query": query, "refId": f"variable-{name}"}, "refresh": 2, "sort": 1, "regex": "",
            "hide": 2 if hidden else 0, "multi": multi, "includeAll": multi, "options": [],
            "current": everything if multi else {}}


def of_hosts(several=False, named=True):
    """Data source, job, host, and the instances of that host: on /metrics an address, by way of OTLP an id."""
    made = [datasource(), variable("job", "Job", "label_values(system_uptime_seconds, job)")]
    if named:
        made += [variable("host", "Host", 'label_values(target_info{job=~"$job"}, host_name)', multi=several),
                 variable("instance", "Instance",
                          'label_values(target_info{job=~"$job", host_name=~"$host"}, instance)',
                          hidden=True)]
    return made


def dashboard(uid, title, about, variables, rows, refresh="30s"):
    """`rows` are pairs of a heading and panels, which fill lines from the left."""
    panels, y = [], 0
    for heading, members in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        y, x, tallest = y + 1, 0, 0
        for member in members:
            member = dict(member)
            width, height = member.pop("width"), HEIGHT[member["type"]]
            if x + width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            member["fieldConfig"] = member["fieldConfig"] | {"overrides": member.pop("overrides", [])}
            panels.append({"id": len(panels) + 1, **member, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x, tallest = x + width, max(tallest, height)
        y += tallest
    others = {"title": "hostmeter", "type": "dashboards", "tags": ["hostmeter"], "asDropdown": True, "keepTime": True,
              "includeVars": False, "icon": "external link", "targetBlank": False, "url": "", "tooltip": ""}
    return {"uid": f"hostmeter-{uid}", "title": title, "description": about, "tags": ["hostmeter"], "schemaVersion": 39,
            "version": 1, "editable": True, "graphTooltip": 1, "refresh": refresh, "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"}, "links": [others], "annotations": {"list": []},
            "templating": {"list": variables}, "panels": panels}


def main():
    # The sources import this module by its name, and are not to leave compiled files.
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(HERE), str(HERE / "source")]
    stale = []
    for name in DASHBOARDS:
        path = HERE / "dashboards" / f"{name}.json"
        text = json.dumps(importlib.import_module(name).DASHBOARD, indent=2, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    more = {path.stem for path in (HERE / "dashboards").glob("*.json")} - set(DASHBOARDS)
    if stale or more:
        print(f"run examples/grafana/build.py: stale {stale}, without a source {sorted(more)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
