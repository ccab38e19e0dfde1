"""What the benchmark needs: built by us, found on this machine, or fetched into the cache.

Nothing is installed into the system: a Debian package that is missing is downloaded and unpacked below the cache, so
no service is started and nothing is left to remove.
"""

import ctypes.util
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
REPOSITORY = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hostmeter"

#: The Collector with what is measured and nothing else, which makes it smaller than any that is given out. Its version
#: and that of its providers are those of `otel-collector/builder.yaml`.
MANIFEST = """\
dist: {{name: otelcol-hostmetrics, version: {version}, output_path: {output}}}
receivers:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver v{version}
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/debugexporter v{version}
  - gomod: go.opentelemetry.io/collector/exporter/otlpexporter v{version}
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter v{version}
providers:
{providers}
replaces:
{replaces}
"""
#: What the receiver needs for Windows, for its tests, for entity events and once at its start, none of which is measured.
#: Some Go proxies do not have these at the Collector's version.
REPLACES = [
    "github.com/open-telemetry/opentelemetry-collector-contrib/internal/gopsutilenv v0.149.0",
    "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/experimentalmetricmetadata v0.155.0",
    "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/winperfcounters v0.149.0",
    "go.opentelemetry.io/collector/scraper/scrapertest v0.149.0",
]
#: Fixed, so that two machines measure the same.
NODE_EXPORTER = "1.12.1"
PYTHON_PACKAGES = ["psutil==7.2.2", "prometheus-client==0.26.0"]


#: Whether what takes minutes may be built; otherwise it is used only where it has been built before.
may_build = True


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


def cargo(*examples):
    """Builds hostmeter and examples as they are released; the folder that they are in."""
    command = ["cargo", "build", "--release", "--locked", "--bins"]
    command += [part for example in examples for part in ("--example", example)]
    say("building hostmeter in release mode")
    if subprocess.run(command, cwd=REPOSITORY).returncode != 0:
        raise SystemExit("hostmeter does not build")
    target = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return Path(target) / "release"


def hostmeter():
    """The binary that HOSTMETER names, else one that is built."""
    named = os.environ.get("HOSTMETER")
    if not named:
        return cargo() / "hostmeter"
    if not os.access(named, os.X_OK):
        raise SystemExit(f"HOSTMETER={named} is no program")
    return Path(named).resolve()


def debian(package, program):
    """A program of a Debian package: the installed one, else that of the package, unpacked."""
    installed = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if installed:
        return Path(installed), Path("/")
    folder = CACHE / f"deb-{package}"
    if not any(folder.glob(f"usr/*bin/{program}")):
        unpack(package, folder)
    found = [*folder.glob(f"usr/bin/{program}"), *folder.glob(f"usr/sbin/{program}")]
    if not found:
        raise Missing(f"{package} holds no {program}")
    return found[0], folder


def unpack(package, folder):
    if not shutil.which("apt-get"):
        raise Missing(f"there is no apt-get to fetch {package} with")
    say(f"fetching the Debian package {package}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fetched:
        run(["apt-get", "download", package], "no package", cwd=fetched)
        run(["dpkg-deb", "-x", next(Path(fetched).glob("*.deb")), folder], "cannot unpack")


def libraries(folder, wanted):
    """Fetches the Debian packages of those libraries that are not installed, by name; where they are."""
    for name, package in wanted.items():
        if not ctypes.util.find_library(name) and not any(folder.glob(f"usr/lib/*/lib{name}.so*")):
            unpack(package, folder)
    return ":".join(map(str, folder.glob("usr/lib/*-linux-*")))


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


def go(what):
    """Refuses what would have to be built, where it cannot be or is not to be."""
    if not may_build:
        raise Missing("it has not been built on this machine, which a run without --quick does")
    if not shutil.which("go"):
        raise Missing(f"{what} needs Go (https://go.dev/dl) to be built")


def node_exporter():
    """A node_exporter newer than Debian's, as its project builds it: without a C library."""
    binary = CACHE / f"node_exporter-{NODE_EXPORTER}"
    if not binary.exists():
        go("node_exporter")
        say(f"building node_exporter {NODE_EXPORTER}; a minute, once a machine")
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"GOBIN": folder, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
            module = f"github.com/prometheus/node_exporter@v{NODE_EXPORTER}"
            run(["go", "install", "-trimpath", "-ldflags=-s -w", module], "no node_exporter", env=environment)
            keep(Path(folder) / "node_exporter", binary)
    return binary


def collector():
    """The Collector with the hostmetrics receiver."""
    ours = (REPOSITORY / "otel-collector" / "builder.yaml").read_text()
    version = re.search(r"^  version: (\S+)", ours, re.MULTILINE)[1]
    providers = "\n".join(re.findall(r"^  - gomod: \S+/(?:env|file)provider \S+", ours, re.MULTILINE))
    replaces = "\n".join(f"  - {line.split()[0]} => {line}" for line in REPLACES)
    manifest = MANIFEST.format(version=version, providers=providers, replaces=replaces, output="build")
    binary = CACHE / ("otelcol-hostmetrics-" + hashlib.sha256(manifest.encode()).hexdigest()[:16])
    if binary.exists():
        return binary
    go("the Collector")
    say(f"building the Collector {version} with the hostmetrics receiver; some minutes, once a machine")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "builder.yaml").write_text(manifest)
        environment = os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{version}"
        run(["go", "install", builder], "no builder", env=environment)
        command = [folder / "builder", "--config", folder / "builder.yaml"]
        run(command, "no Collector", env=environment, cwd=folder)
        keep(folder / "build" / "otelcol-hostmetrics", binary)
    return binary


def keep(built, binary):
    """Under another name first, so that nobody ever starts half a file."""
    partial = binary.with_name(f"{binary.name}.{os.getpid()}")
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.copy(built, partial)
    partial.rename(binary)
