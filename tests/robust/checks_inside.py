"""What needs the collectors in one process with whoever looks at them: the program of `inside/`."""

import json
import subprocess

from components import REPO, environment
from row import row

INSIDE = REPO / "target/release/examples/robust"
FUZZ = REPO / "tests/fuzz"


def inside(run, *arguments):
    """Runs it and takes its figures over."""
    with (run.directory / "inside.log").open("wb") as log:
        done = subprocess.run([INSIDE, *map(str, arguments)], env=environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=log, check=False)
    for line in done.stdout.splitlines():
        run.figure(**json.loads(line))
    run.same(f"{arguments[0]}: exit", 0, done.returncode)


@row("H07", "100,000 mutated files of /proc and /sys, all collectors (10^6 by --long)", seconds=280, long_seconds=6000)
def mutated(run):
    inside(run, "mutated", 1_000_000 if run.long else 100_000)
    if run.long:
        fuzz(run)


def fuzz(run):
    """Each target for a minute, where the nightly compiler and cargo-fuzz are."""
    listed = subprocess.run(["cargo", "+nightly", "fuzz", "list", "--fuzz-dir", FUZZ], cwd=REPO, capture_output=True,
                            check=False)
    if listed.returncode:
        run.figure("fuzz targets", "60 s each", "not run: no nightly compiler with cargo-fuzz here", True)
        return
    corpus = ["cargo", "run", "--offline", "--manifest-path", FUZZ / "Cargo.toml", "--target-dir", REPO / "target/fuzz",
              "--bin", "seeds"]
    (FUZZ / "Cargo.lock").write_bytes((REPO / "Cargo.lock").read_bytes())
    subprocess.run(corpus, cwd=REPO, check=True, capture_output=True)
    for target in listed.stdout.decode().split():
        done = subprocess.run(["cargo", "+nightly", "fuzz", "run", "--fuzz-dir", FUZZ, target, "--", "-max_total_time=60",
                               "-detect_leaks=0"], cwd=REPO, capture_output=True, check=False)
        (run.directory / f"fuzz-{target}.log").write_bytes(done.stderr)
        run.same(f"fuzz {target}: exit after 60 s", 0, done.returncode)


@row("H17", "a panic in each collector in turn", seconds=60)
def panics(run):
    inside(run, "panics")
