"""Helm, which the tests of the chart run: built once per user from its Go module, with whatever proxy Go is set to."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from stacklib import programs
from stacklib.problem import Problem
from stacklib.progress import Step

VERSION = "v3.19.0"
GO_MINIMUM = (1, 24)
_MODULE = f"helm.sh/helm/v3/cmd/helm@{VERSION}"


def fetch(cache: Path) -> Path:
    """The path of `helm`; the first time it is built, which takes some minutes."""
    program = cache / f"helm-{VERSION}" / "helm"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "helm.lock").open("w") as lock:
        # Test processes ask for it at the same time: one builds, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(programs.require_go(GO_MINIMUM), program.parent)
    return program


def _build(go: str, place: Path) -> None:
    # It appears under its name only when it is complete.
    unfinished = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        with Step("helm") as step:
            step.tell("building")
            # GOBIN is for programs of this machine, so a cross-compiling environment must not show through.
            environment = {k: v for k, v in os.environ.items() if k not in ("GOOS", "GOARCH")}
            done = subprocess.run(
                [go, "install", _MODULE],
                # Outside of any module, and without a C compiler.
                cwd=place.parent,
                env=environment | {"GOBIN": str(unfinished), "CGO_ENABLED": "0"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise Problem(
                    f"Go could not build Helm ({_MODULE}):\n{done.stdout[-2000:]}\n"
                    "  Is there a network? GOPROXY sets a mirror."
                )
            step.end_with(f"built, kept in {place}")
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
