#!/usr/bin/env python3
"""What becomes of the data when something breaks: fault, figure promised, figure measured.

`run` beside this file prepares the machine and starts this program. Each row runs as a process with network,
mounts and process numbers of its own, several at a time, and nothing of it outlives it.
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from row import ROWS, Run

AT_ONCE = 8
# A world of its own; whatever is in it is killed with the process that made it, and that one with us.
WORLD = ("setpriv", "--pdeathsig", "KILL",
         "unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")


def main(program=__file__, about=__doc__, rows_at_once=AT_ONCE):
    """The rows beside `program`, which calls this and nothing else."""
    program = Path(program).resolve()
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--long", action="store_true", help="the whole of the catalogue")
    parser.add_argument("--only", metavar="ID", action="append", help="rows whose names begin so; may be repeated")
    parser.add_argument("--at-once", type=int, default=rows_at_once,
                        help=f"rows at the same time ({rows_at_once})")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--directory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.program = program
    # The end-to-end test's ways to start and to end a program are ours too.
    sys.path.append(str(program.parents[1] / "e2e"))
    for path in sorted(program.parent.glob("checks_*.py")):
        importlib.import_module(path.stem)
    if options.row:
        return show(options)
    # A SIGTERM unwinds the blocks below, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return drive(options)


def show(options):
    """One row, within its own world."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    run = Run(options.directory, options.long)
    try:
        ROWS[options.row].show(run)
    except Exception as problem:  # noqa: BLE001 - whatever goes wrong inside is the row's failure
        traceback.print_exc()
        run.figure("the row", "runs to its end", f"{type(problem).__name__}: {problem}", False)
    run.write(run.directory / "figures.json")
    # Threads of servers that a fault has left behind are not waited for.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def drive(options):
    rows = [row for row in ROWS.values() if options.long or not row.long_only or options.only]
    if options.only:
        rows = [row for row in rows if any(row.id.startswith(wanted) for wanted in options.only)]
        if not rows:
            sys.exit(f"no row begins with {' or '.join(options.only)}; there are: {' '.join(ROWS)}")
    directory = Path(tempfile.mkdtemp(prefix=f"hostmeter-{options.program.stem}-"))
    print(line("fault", "promised", "measured", ""), flush=True)
    all_figures = []
    try:
        for alone in (False, True):
            all_figures += together([row for row in rows if row.alone == alone], 1 if alone else options.at_once,
                                    directory, options)
        all_figures = [figure for row in rows for figure in judged(row, all_figures, directory, options)]
    finally:
        if options.keep:
            print(f"# kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if options.json:
        Path(options.json).write_text(json.dumps(all_figures))
    passed = sum(figure["good"] for figure in all_figures)
    print(f"{passed} passed, {len(all_figures) - passed} failed", flush=True)
    return 0 if passed == len(all_figures) else 1


def together(rows, at_once, directory, options):
    """Runs rows so many at a time, the longest first, and tells of them in the order of the catalogue."""
    figures, running = [], []
    with ThreadPoolExecutor(at_once) as pool:
        begun = {row.id: pool.submit(one, row, directory, options, running)
                 for row in sorted(rows, key=lambda row: -seconds(row, options))}
        try:
            for row in sorted(rows, key=lambda row: row.id):
                figures += tell(row, *begun[row.id].result(), directory)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.kill()
            raise
    return figures


def judged(row, all_figures, directory, options):
    """The row's figures; of a second run with nothing beside it, where only a slow machine can be what was wrong with
    the first. What was lost once is lost, and is not asked again."""
    figures = [figure for figure in all_figures if figure["row"] == row.id]
    bad = [figure for figure in figures if not figure["good"]]
    if not bad or not all(figure.get("pace") for figure in bad):
        return figures
    print(f"# {row.id} again, by itself: it failed by the clock alone")
    return together([row], 1, directory, options)


def seconds(row, options):
    return row.long_seconds if options.long else row.seconds


def one(row, directory, options, running):
    """Runs a row to its end, or to the end of its time."""
    own, begun = directory / row.id, time.monotonic()
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    argv = [*WORLD, sys.executable, "-B", options.program, "--row", row.id, "--directory", own]
    with (own / "row.log").open("wb") as log:
        process = subprocess.Popen(argv + ["--long"] * options.long, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
        running.append(process)
        try:
            process.wait(seconds(row, options))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    took = time.monotonic() - begun
    try:
        return json.loads((own / "figures.json").read_text()), took
    except (OSError, ValueError):
        end = f"ended after {took:.0f} s with {process.returncode}"
        return [{"what": "the row", "promised": "runs to its end", "measured": end, "good": False}], took


def tell(row, figures, took, directory):
    print(f"{row.id} {row.fault} ({took:.0f} s)")
    for figure in figures:
        print(line(f"  {figure['what']}", figure["promised"], figure["measured"],
                   "ok" if figure["good"] else "FAILED"))
    if not all(figure["good"] for figure in figures):
        for path in sorted((directory / row.id).glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-8:]
            print(f"# the end of {row.id}/{path.name}:", *(f"#   {text[:300]}" for text in tail), sep="\n")
    sys.stdout.flush()
    return [{"row": row.id, "fault": row.fault} | figure for figure in figures]


def line(fault, promised, measured, verdict):
    return f"{fault:<44.80} {promised:<42} {measured:<22} {verdict}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
