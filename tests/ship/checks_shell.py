"""The programs that are shell scripts, by shellcheck."""

import shutil
import subprocess

from components import REPO

FIRST_LINES = ("#!/usr/bin/env bash", "#!/bin/sh")


def run(report, directory):
    if not shutil.which("shellcheck"):
        print("NOT CHECKED: shell scripts, because shellcheck is not here.")
        return
    with report.check("shell: shellcheck has nothing to say") as check:
        listed = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=True).stdout
        paths = [path for path in listed.splitlines() if first_line(REPO / path) in FIRST_LINES]
        check.that(len(paths) > 5, f"only {paths}")
        done = subprocess.run(["shellcheck", "--external-sources", "--severity", "warning", "--format", "gcc", *paths],
                              cwd=REPO, capture_output=True, text=True)
        check.that(done.returncode == 0, done.stdout.strip()[-600:])


def first_line(path):
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.readline().decode(errors="replace").strip()
