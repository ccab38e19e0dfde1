#!/usr/bin/env python3
"""What is shipped, built and run as its users do; `run` beside this file prepares the machine."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import checks_compose
import checks_image
import checks_kubernetes
import checks_package
import checks_service
import checks_shell
import checks_whole
from report import Report

GROUPS = {
    "image": checks_image.run,
    "kubernetes": checks_kubernetes.run,
    "compose": checks_compose.run,
    "shell": checks_shell.run,
    "service": checks_service.unit,
    "package": checks_package.run,
    "whole": checks_whole.run,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=GROUPS, action="append", help="this group of checks; may be repeated")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="hostmeter-ship-") as directory:
        for name in options.only or GROUPS:
            with report.group(name):
                own = Path(directory) / name
                own.mkdir()
                GROUPS[name](report, own)
    return report.sum()


if __name__ == "__main__":
    sys.exit(main())
