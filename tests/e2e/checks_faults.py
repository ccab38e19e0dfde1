"""Programs that print rows of figures, `tests/faults/run`, `tests/e2e/robust` and `examples/fleet/run`: each of their
figures a check here."""

import json
import subprocess

from components import HOSTMETER, REPO, environment


def run(report, directory, options):
    rows(report, directory, "tests/faults/run")


def robust(report, directory, options):
    rows(report, directory, "tests/e2e/robust")


def fleet(report, directory, options):
    """The short form; README.md beside the program has what the long one measured."""
    rows(report, directory, "examples/fleet/run", "--agents", "20", "--interval", "2", "--steady", "8")


def rows(report, directory, program, *arguments):
    figures = directory / "figures.json"
    # Its table is of use to whoever reads the log; the figures come by the file.
    done = subprocess.run([REPO / program, *arguments, "--json", figures], stdin=subprocess.DEVNULL,
                          env=environment(HOSTMETER=HOSTMETER), check=False)
    told = json.loads(figures.read_text())
    for figure in told:
        with report.check(f"{figure['row']} {figure['fault']}: {figure['what']}") as check:
            check.that(figure["good"], f"promised {figure['promised']}, measured {figure['measured']}")
    with report.check(f"{program}: the exit code agrees with the figures") as check:
        check.same("exit code", done.returncode, 0 if all(figure["good"] for figure in told) else 1)
