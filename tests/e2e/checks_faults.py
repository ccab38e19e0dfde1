"""What becomes of the data when something breaks: `tests/faults`, each of its figures a check here."""

import json
import subprocess

from components import HOSTMETER, REPO, environment


def run(report, directory, options):
    figures = directory / "figures.json"
    # Its table is of use to whoever reads the log; the figures come by the file.
    done = subprocess.run([REPO / "tests/faults/run", "--json", figures], stdin=subprocess.DEVNULL,
                          env=environment(HOSTMETER=HOSTMETER), check=False)
    told = json.loads(figures.read_text())
    for figure in told:
        with report.check(f"{figure['row']} {figure['fault']}: {figure['what']}") as check:
            check.that(figure["good"], f"promised {figure['promised']}, measured {figure['measured']}")
    with report.check("faults: the program's exit code agrees with its figures") as check:
        check.same("exit code", done.returncode, 0 if all(figure["good"] for figure in told) else 1)
