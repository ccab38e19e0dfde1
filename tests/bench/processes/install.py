"""What the benchmark needs: built by us, found on this machine, or fetched into the cache.

Nothing is installed into the system: a Debian package that is missing is downloaded and unpacked below the cache, so
no service is started and nothing is left to remove.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hostmeter"

#: The line that the Collector of `otel-collector/builder.yaml` lacks.
RECEIVER = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver"
#: What the receiver needs for Windows, for its tests, for entity events and once at its start, none of which is measured.
#: Some Go proxies do not have these at the Collector's version.
REPLACES = [
    "github.com/open-telemetry/opentelemetry-collector-contrib/internal/gopsutilenv v0.149.0",
    "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/experimentalmetricmetadata v0.155.0",
    "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/winperfcounters v0.149.0",
    "go.opentelemetry.io/collector/scraper/scrapertest v0.149.0",
]
#: Fixed, so that two machines measure the same.
PYTHON_PACKAGES = ["psutil==7.2.2", "prometheus-client==0.26.0"]


class Missing(Exception):
    """One of the programs cannot be had here; the others are measured without it."""


def say(text):
    print(f"[bench] {text}", file=sys.stderr, flush=True)


def run(command, why, **options):
    """Runs a command; its output is shown only when it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise Missing(f"{why}: {' '.join(map(str, command))} failed\n{tail}")
    return result.stdout


def cargo():
    """Builds hostmeter and the two examples as they are released; the folder that they are in."""
    command = ["cargo", "build", "--release", "--bins", "--example", "bench-floor", "--example", "bench-library"]
    say("building hostmeter in release mode")
    if subprocess.run(command, cwd=REPOSITORY).returncode != 0:
        raise SystemExit("hostmeter does not build")
    target = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return Path(target) / "release"


def population():
    """Compiles the population under the names of its 50 families, each a link to one file."""
    folder = Path(tempfile.mkdtemp(prefix="hostmeter-bench-"))
    program = folder / "population"
    source = HERE / "population.c"
    run([os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", program, source], "population.c does not compile")
    for family in range(50):
        os.link(program, folder / f"worker-{family:02}")
    return program


def debian(package, program):
    """A program of a Debian package: the installed one, else that of the package, unpacked."""
    installed = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if installed:
        return Path(installed), Path("/")
    folder = CACHE / f"deb-{package}"
    found = [path for path in (folder / "usr/bin" / program, folder / "usr/sbin" / program) if path.exists()]
    if not found:
        if not shutil.which("apt-get"):
            raise Missing(f"{program} is not installed, and there is no apt-get to fetch {package} with")
        say(f"fetching the Debian package {package}")
        folder.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "download", package], "no package", cwd=folder)
        archive = next(folder.glob("*.deb"))
        run(["dpkg-deb", "-x", archive, folder], "cannot unpack")
        found = [path for path in (folder / "usr/bin" / program, folder / "usr/sbin" / program) if path.exists()]
    if not found:
        raise Missing(f"{package} holds no {program}")
    return found[0], folder


def python():
    """The Python of a virtual environment that has psutil and prometheus_client."""
    folder = CACHE / ("venv-" + hashlib.sha256(" ".join(PYTHON_PACKAGES).encode()).hexdigest()[:12])
    program = folder / "bin" / "python"
    if not (folder / "complete").exists():
        say("making a virtual environment with " + " and ".join(PYTHON_PACKAGES))
        venv.create(folder, with_pip=True, clear=True)
        run([program, "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES], "no psutil")
        (folder / "complete").touch()
    return program


def collector():
    """The Collector with the hostmetrics receiver, built from our manifest and that one line."""
    manifest = (REPOSITORY / "otel-collector" / "builder.yaml").read_text()
    version = re.search(r"^  version: (\S+)", manifest, re.MULTILINE)[1]
    manifest = manifest.replace("receivers:\n", f"receivers:\n  - gomod: {RECEIVER} v{version}\n", 1)
    manifest += "\nreplaces:\n" + "".join(f"  - {line.split()[0]} => {line}\n" for line in REPLACES)
    binary = CACHE / ("otelcol-hostmetrics-" + hashlib.sha256(manifest.encode()).hexdigest()[:16])
    if binary.exists():
        return binary
    if not shutil.which("go"):
        raise Missing("the Collector needs Go (https://go.dev/dl) to be built")
    say(f"building the Collector {version} with the hostmetrics receiver; some minutes, once a machine")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        output = f"output_path: {folder / 'build'}"
        (folder / "builder.yaml").write_text(re.sub(r"output_path: .*", output, manifest))
        environment = os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{version}"
        run(["go", "install", builder], "no builder", env=environment)
        command = [folder / "builder", "--config", folder / "builder.yaml"]
        run(command, "no Collector", env=environment, cwd=folder)
        built = next(path for path in (folder / "build").iterdir() if path.name == "otelcol-hostmeter")
        partial = binary.with_suffix(f".{os.getpid()}")
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.copy(built, partial)
        partial.rename(binary)
    return binary
