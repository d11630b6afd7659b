"""The project's virtual environment: made once, and again when what it was made from changes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from stacklib.layout import ROOT
from stacklib.problem import Problem
from stacklib.progress import Step

_PYPROJECT = ROOT / "pyproject.toml"
_QUERY = ROOT / "query"
_CONSTRAINTS = ROOT / "constraints.txt"


def ensure(with_tools: bool) -> Path:
    """The `bin` folder of an environment with the project and the query client in it, editable.

    `with_tools` adds the dependency groups `dev` and `docs`, and what is optional.  The environment is `.venv`,
    or `$FLUSSO_VENV`.
    """
    place = Path(os.environ.get("FLUSSO_VENV") or ROOT / ".venv").resolve()
    programs = place / "bin"
    wanted = _digest()
    marker = place / ".flusso"
    have = marker.read_text().split() if marker.exists() else []
    if have[:1] == [wanted] and (not with_tools or "tools" in have):
        return programs
    with_tools = with_tools or "tools" in have
    with Step("environment") as step:
        if not (programs / "python").exists():
            step.tell("making it")
            _make(place)
        step.tell("installing")
        _install(programs, with_tools)
        marker.write_text(f"{wanted} {'tools' if with_tools else ''}")
        step.end_with(f"ready in {place}")
    return programs


def _digest() -> str:
    files = [_PYPROJECT, _QUERY / "pyproject.toml", _CONSTRAINTS]
    parts = [*(file.read_bytes() for file in files), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _make(place: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "venv", place], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise Problem(
            f"The virtual environment could not be made:\n{made.stdout}{made.stderr}\n"
            "  On Debian or Ubuntu: apt-get update && apt-get install -y python3-venv"
        )


def _install(programs: Path, with_tools: bool) -> None:
    wanted = [
        "--editable",
        f"{ROOT}[aws,otel]" if with_tools else str(ROOT),
        "--editable",
        str(_QUERY),
    ]
    if with_tools:
        # pip before 25.1 does not know --group.
        with _PYPROJECT.open("rb") as file:
            groups = tomllib.load(file)["dependency-groups"]
        wanted += groups["dev"] + groups["docs"]
    python = str(programs / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--constraint", str(_CONSTRAINTS), *wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Problem(f"pip could not install the project:\n{done.stdout[-3000:]}")
