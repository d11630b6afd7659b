"""Runs one of the product's commands to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from support.waiting import patient

_BIN = Path(sys.executable).parent


def program(name: str) -> str:
    """The path of a command."""
    return str(_BIN / name)


def inherited_environment() -> dict[str, str]:
    """The environment of this process, without its own settings of the product."""
    found = {name: value for name, value in os.environ.items() if "FLUSSO" not in name}
    return found | {"NO_COLOR": "1"}


def run_command(
    folder: Path, environment: Mapping[str, str], *command: str, deadline: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """What `command` ends with in `folder`, whatever its exit code."""
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=patient(deadline),
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done
