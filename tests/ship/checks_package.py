"""The Debian package: built, looked into, installed, removed and purged in a Debian of its own."""

import re
import shutil
import subprocess

import checks_service
from checks_image import APPLICATION
from components import HOSTMETER, REPO
from podman import podman, why_not

WANTED = {
    "/usr/bin/hostmeter": "-rwxr-xr-x",
    "/etc/hostmeter/hostmeter.yaml": "-rw-r--r--",
    "/usr/lib/systemd/system/hostmeter.service": "-rw-r--r--",
    "/usr/share/doc/hostmeter/copyright": "-rw-r--r--",
}
# Of a binary that prints them.
SAID = {
    "/usr/share/man/man1/hostmeter.1.gz": "-rw-r--r--",
    "/usr/share/bash-completion/completions/hostmeter": "-rw-r--r--",
    "/usr/share/fish/vendor_completions.d/hostmeter.fish": "-rw-r--r--",
    "/usr/share/zsh/vendor-completions/_hostmeter": "-rw-r--r--",
}
# The helpers that lintian would have instead of systemctl are not on every system that takes the package.
SUPPRESSED = ("maintainer-script-calls-systemctl",)
# Installed, used, and gone: what an administrator does, and no systemd at hand.
LIFE = """
set -e
dpkg -i /package.deb >/dev/null
dpkg --verify hostmeter
hostmeter --version
hostmeter config show >/dev/null
echo "# mine" >>/etc/hostmeter/hostmeter.yaml
dpkg -i --force-confold /package.deb >/dev/null
tail -1 /etc/hostmeter/hostmeter.yaml
dpkg --remove hostmeter >/dev/null
ls /etc/hostmeter
dpkg --purge hostmeter >/dev/null
ls -d /usr/bin/hostmeter /etc/hostmeter /usr/share/doc/hostmeter 2>/dev/null || echo gone
"""


def run(report, directory):
    package = built(report, directory)
    if not package:
        return
    if reason := why_not():
        print(f"NOT CHECKED: the package installed, because {reason}.")
        return
    version = own_version()
    with report.check("package: installed, upgraded with an own configuration, removed, purged") as check:
        said = podman("run", "--rm", "--network", "none", "--volume", f"{package}:/package.deb:ro", APPLICATION,
                      "sh", "-c", LIFE).splitlines()
        check.same("what is said", said, [f"hostmeter {version}", "# mine", "hostmeter.yaml", "gone"])
    checks_service.run(report, directory, package)


def own_version():
    return re.search(r'^version = "(.+)"', (REPO / "Cargo.toml").read_text(), re.M)[1]


def built(report, directory):
    """The package, looked into; nothing where it cannot be made here."""
    if not shutil.which("dpkg-deb"):
        print("NOT CHECKED: the Debian package, because dpkg-deb is not here.")
        return None
    package = None
    with report.check("package: built, with what belongs into it") as check:
        done = subprocess.run([REPO / "examples/debian/build", HOSTMETER], cwd=directory, capture_output=True,
                              text=True, check=True)
        package = directory / done.stdout.strip()
        check.same("its version", subprocess.run(["dpkg-deb", "-f", package, "Version"], capture_output=True,
                                                 text=True).stdout.strip(), own_version())
        rows = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
        found = {row.split()[5][1:]: row.split()[:2] for row in rows.splitlines()}
        prints = subprocess.run([HOSTMETER, "man"], capture_output=True).returncode == 0
        for path, mode in (WANTED | SAID if prints else WANTED).items():
            check.same(path, found.get(path), [mode, "root/root"])
    if package and shutil.which("lintian"):
        with report.check("package: lintian has no error and no warning") as check:
            done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags",
                                   ",".join(SUPPRESSED), package], capture_output=True, text=True)
            check.that(done.returncode == 0, done.stdout.strip()[-600:])
    else:
        print("NOT CHECKED: the Debian package by lintian, because that is not here.")
    return package
