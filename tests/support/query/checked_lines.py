"""Runs type checkers over a file, and compares the lines of their errors with those that the file marks.

A line that ends with `# refused` must have an error of each checker, and no other line may have one.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from support.commands import inherited_environment, run_command
from support.stores.dev import ROOT

_MYPY = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+):(?:\d+:)? error: (?P<text>.*)$", re.MULTILINE)
_SETTINGS = {
    "pythonVersion": "3.11",
    "typeCheckingMode": "strict",
    "extraPaths": [str(ROOT / "query")],
    # What a projection of a test does not use is no mistake.
    "reportUnusedClass": False,
    "reportUnusedExpression": False,
}


def marked(file: Path) -> set[int]:
    """The lines that must be refused."""
    lines = file.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}


def mypy(folder: Path, *files: str) -> dict[tuple[str, int], str]:
    """File and line -> the error, in strict mode."""
    environment = inherited_environment() | {"MYPYPATH": str(ROOT / "query")}
    done = run_command(
        folder,
        environment,
        *("mypy", "--strict", "--config-file=", f"--cache-dir={folder / '.mypy'}", *files),
        deadline=240,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {
        (found["file"], int(found["line"])): found["text"] for found in _MYPY.finditer(done.stdout)
    }


def pyright(folder: Path, *files: str) -> dict[tuple[str, int], str]:
    """The same of pyright, in its strict mode."""
    (folder / "pyrightconfig.json").write_text(json.dumps({**_SETTINGS, "include": [*files]}))
    done = run_command(
        folder,
        inherited_environment(),
        "pyright",
        "--outputjson",
        "--pythonpath",
        sys.executable,
        deadline=240,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1): item["message"]
        for item in json.loads(done.stdout)["generalDiagnostics"]
        if item["severity"] == "error"
    }
