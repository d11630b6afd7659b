"""The quickstart and the tutorial, word for word, in a container that has nothing but Debian and Python."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacklib import engine
from support.page_run import installation
from support.servers.docker_engine import Container, attempt, docker
from support.stores.dev import ROOT

pytestmark = pytest.mark.timeout(1800)

_IMAGE = "python:3.13-slim"
_HOME = "/home/reader"
_CLONE = f"{_HOME}/flusso-kafka"
_REGISTRY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "PIP_FIND_LINKS")
_REGISTRY_FILES = {
    "/etc/pip.conf": "/etc/pip.conf",
    "/etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/java/cacerts": "/etc/ssl/certs/java/cacerts",
    "/etc/maven/settings.xml": f"{_HOME}/.m2/settings.xml",
}
"""How this machine reaches the package registries: its file -> its place in the container."""
_FOLLOW = """
import os, sys
from pathlib import Path
from support.page_run import follow

for name in ("quickstart", "tutorial"):
    page = Path(f"docs/{name}.md").read_text(encoding="utf-8")
    outputs = Path(f"/tmp/{name}")
    outputs.mkdir()
    different = follow(page, Path.cwd(), os.environ, outputs)
    if different:
        sys.exit("\\n".join(different))
    print(f"{name} followed", flush=True)
"""


@pytest.fixture
def machine() -> Iterator[Container]:
    """A machine with Debian and Python; what is installed there comes from where this machine gets it."""
    obstacle = engine.obstacle()
    if obstacle is not None:
        pytest.fail(f"the tests in containers could not run: {obstacle}", pytrace=False)
    given = [name for name in _REGISTRY_VARIABLES if name in os.environ]
    options = [argument for name in given for argument in ("--env", name)]
    # No line about what is logged may come between what the pages show.
    container = Container.start("--env=FLUSSO_LOG=warning", *options, _IMAGE, "sleep", "infinity")
    try:
        yield container
    finally:
        container.remove()


def run(machine: Container, script: str) -> None:
    """Run a script as root, which has to succeed."""
    docker("exec", machine.name, "bash", "-e", "-c", script)


def set_registries_up(machine: Container) -> None:
    for here, there in _REGISTRY_FILES.items():
        if Path(here).exists():
            run(machine, f"mkdir -p {Path(there).parent}")
            docker("cp", "--follow-link", here, f"{machine.name}:{there}")


def clone(machine: Container, archive: Path) -> None:
    """Put what a clone has into the machine."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with tarfile.open(archive, "w") as file:
        for name in listed.stdout.rstrip("\0").split("\0"):
            if (ROOT / name).exists():
                file.add(ROOT / name, name, recursive=False)
    docker("cp", str(archive), f"{machine.name}:/tmp/clone.tar")
    run(machine, f"mkdir {_CLONE} && tar -C {_CLONE} -xf /tmp/clone.tar")
    run(machine, f"chown -R reader: {_HOME}")


def test_the_pages_can_be_followed_on_a_machine_with_nothing(
    machine: Container, tmp_path: Path
) -> None:
    run(machine, "useradd --create-home reader")
    set_registries_up(machine)
    run(machine, installation((ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")))
    set_registries_up(machine)  # a package may have replaced a file
    clone(machine, tmp_path / "clone.tar")
    followed = attempt(
        *("exec", "--user=reader", f"--workdir={_CLONE}", "--env=PYTHONPATH=tests", machine.name),
        *("/usr/bin/python3", "-c", _FOLLOW),
    )
    assert followed.returncode == 0, f"{followed.stdout}{followed.stderr}"
    assert followed.stdout == "quickstart followed\ntutorial followed\n"
