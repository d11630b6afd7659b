"""The Docker engine: whether tests can run containers here, and the images that they need."""

from __future__ import annotations

import shutil
import subprocess

from stacklib.progress import Step

IMAGES = (
    "python:3.12-slim",
    "postgres:17",
    "apache/kafka:4.1.0",
    "opensearchproject/opensearch:3",
)
"""What the Dockerfile builds on, and the servers of docker-compose.yml without its profiles."""


def obstacle() -> str | None:
    """Why no container can be tried here; None when all images are there.  Pulls those that are missing."""
    if shutil.which("docker") is None:
        return "there is no `docker` command"
    answer = _docker("version", "--format", "{{.Server.Version}}")
    if answer.returncode != 0:
        return f"no Docker engine answers: {_last_line(answer)}"
    plugin = _docker("compose", "version")
    if plugin.returncode != 0:
        return "the `docker` command has no `compose`"
    for image in IMAGES:
        reason = _fetched(image)
        if reason is not None:
            return f"the image {image} is missing, and cannot be pulled: {reason}"
    return None


def _fetched(image: str) -> str | None:
    """Why the image cannot be had; None when it is there."""
    if _docker("image", "inspect", image).returncode == 0:
        return None
    with Step(image) as step:
        step.tell("pulling")
        pulled = _docker("pull", "--quiet", image)
        if pulled.returncode != 0:
            step.end_with("cannot be pulled")
            return _last_line(pulled)
    return None


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
