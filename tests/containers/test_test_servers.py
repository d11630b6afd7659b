"""The tests' own servers start as containers too, and one test passes on them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services import KIND, VARIABLES
from support.servers import docker_engine
from support.stores.dev import ROOT


def containers_of_tests() -> set[str]:
    """Those that the library of the fixtures started, and that are still there."""
    label = "label=org.testcontainers=true"
    return set(docker_engine.docker("ps", "--all", "--quiet", "--filter", label).split())


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("images")
def test_a_test_passes_on_servers_in_containers() -> None:
    before = containers_of_tests()
    inherited = {
        name: value for name, value in os.environ.items() if name not in VARIABLES.values()
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/e2e/operator/test_metrics.py",
            "-k",
            "kafka",
        ],
        cwd=ROOT,
        # Ryuk is one more image; the fixtures remove their containers by themselves.
        env=inherited | {KIND: "containers", "TESTCONTAINERS_RYUK_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert containers_of_tests() <= before
