#!/usr/bin/env python3
"""hostmeter between a real Collector and a real Prometheus.

`run` beside this file prepares the machine and starts this program; what it needs is in `components`.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import checks_classic
import checks_container
import checks_endpoint
import checks_faults
import checks_formats
import checks_input
import checks_late
import checks_page
import checks_processes
import checks_promtool
import checks_readme
import checks_roads
import checks_scope
import checks_ship
import checks_shutdown
import checks_stack
import checks_top
import checks_values
from report import Report, log

# In this order; the long one last, because a fault in a short one shows sooner.
GROUPS = {
    "input": checks_input.run,
    "promtool": checks_promtool.run,
    "readme": checks_readme.run,
    "values": checks_values.run,
    "processes": checks_processes.run,
    "scope": checks_scope.run,
    "container": checks_container.run,
    "formats": checks_formats.run,
    "classic": checks_classic.run,
    "shutdown": checks_shutdown.run,
    "top": checks_top.run,
    "endpoint": checks_endpoint.run,
    "page": checks_page.run,
    "late": checks_late.run,
    "faults": checks_faults.run,
    "robust": checks_faults.robust,
    "ship": checks_ship.run,
    "fleet": checks_faults.fleet,
    "stack": checks_stack.run,
    "roads": checks_roads.run,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="both roads for 30 s and not for 60")
    parser.add_argument("--only", choices=GROUPS, action="append", help="this group of checks; may be repeated")
    parser.add_argument("--keep", action="store_true", help="keep the directory with logs and data")
    options = parser.parse_args()
    # A SIGTERM unwinds the `with` blocks that end the components, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    report = Report()
    directory = Path(tempfile.mkdtemp(prefix="hostmeter-e2e-"))
    try:
        for name in options.only or GROUPS:
            begun = time.monotonic()
            log(f"group {name}")
            failed = report.failed
            with report.group(name):
                (directory / name).mkdir()
                GROUPS[name](report, directory / name, options)
            report.note(f"{name}: {time.monotonic() - begun:.0f} s")
            if report.failed > failed:
                show_logs(directory / name)
    finally:
        if options.keep:
            log(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return report.sum()


def show_logs(directory, lines=15):
    for path in sorted(directory.glob("*.log")):
        tail = path.read_text(errors="replace").splitlines()[-lines:]
        print(f"# the end of {path.name}:", *(f"#   {line[:300]}" for line in tail), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
