"""Reads a page with the parsers of `prometheus_client`: run by the Python of the virtual environment, not imported.

    read_page.py text|openmetrics < page    prints a line of JSON for each sample: name, labels, value
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

parse = {"text": parser.text_string_to_metric_families, "openmetrics": openmetrics.text_string_to_metric_families}
for family in parse[sys.argv[1]](sys.stdin.read()):
    for sample in family.samples:
        print(json.dumps([sample.name, sample.labels, sample.value, family.type, family.unit]))
