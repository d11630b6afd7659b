"""Each command prints its version, and the revision that it was built from."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from flusso_shared import release


@pytest.mark.parametrize("option", ["--version", "-V"])
@pytest.mark.parametrize("command", ["flusso", "flusso-capture", "flusso-worker"])
def test_every_command_prints_its_version(command: str, option: str) -> None:
    program = Path(sys.executable).parent / command
    done = subprocess.run([program, option], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"flusso {version('flusso-kafka')} (revision {release.revision()})\n"
