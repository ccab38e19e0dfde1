"""The examples around hostmeter, which `tests/stack` runs together."""

import sys

from components import REPO

sys.path.append(str(REPO / "tests/stack"))


def run(report, directory, options):
    import checks

    checks.run(report, directory, options)
