"""Programs that print rows of figures, `tests/faults/run` and `tests/e2e/robust`: each of their figures a check here."""

import json
import subprocess

from components import HOSTMETER, REPO, environment


def run(report, directory, options):
    rows(report, directory, "tests/faults/run")


def robust(report, directory, options):
    rows(report, directory, "tests/e2e/robust")


def rows(report, directory, program):
    figures = directory / "figures.json"
    # Its table is of use to whoever reads the log; the figures come by the file.
    done = subprocess.run([REPO / program, "--json", figures], stdin=subprocess.DEVNULL,
                          env=environment(HOSTMETER=HOSTMETER), check=False)
    told = json.loads(figures.read_text())
    for figure in told:
        with report.check(f"{figure['row']} {figure['fault']}: {figure['what']}") as check:
            check.that(figure["good"], f"promised {figure['promised']}, measured {figure['measured']}")
    with report.check(f"{program}: the exit code agrees with the figures") as check:
        check.same("exit code", done.returncode, 0 if all(figure["good"] for figure in told) else 1)
