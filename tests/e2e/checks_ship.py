"""What `tests/ship` looks at without an image: every file of the examples by its own tool."""

import sys

from components import REPO

sys.path.append(str(REPO / "tests/ship"))


def run(report, directory, options):
    import checks_compose
    import checks_kubernetes
    import checks_package
    import checks_service
    import checks_shell

    for look in (checks_kubernetes.run, checks_compose.run, checks_shell.run, checks_service.unit, checks_package.built):
        own = directory / f"{look.__module__}-{look.__name__}"
        own.mkdir()
        look(report, own)
    print("NOT CHECKED: images, pods, compose as a whole and the package installed, which tests/ship/run does: the first "
          "build of an image takes ten minutes.")
