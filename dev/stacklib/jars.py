"""Kafka's and OpenSearch's jars: fetched once per user by Maven, with whatever repositories it is set to."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from stacklib import programs
from stacklib.layout import ROOT
from stacklib.problem import Problem
from stacklib.progress import Step

POMS = ROOT / "dev" / "stack.d"
_DOWNLOADED = re.compile(r"Downloaded from [^:]+: \S+/(\S+)")


def folder(name: str, cache: Path) -> Path:
    """Where the jars of that pom are, or will be.  A changed pom has another folder."""
    digest = hashlib.sha256((POMS / name / "pom.xml").read_bytes()).hexdigest()
    return cache / f"{name}-{digest[:8]}"


def fetch(name: str, cache: Path) -> Path:
    """The folder with the jars; the first time they are downloaded."""
    place = folder(name, cache)
    if place.is_dir():
        return place
    maven = programs.require_maven()
    cache.mkdir(parents=True, exist_ok=True)
    # It appears under its name only when it is complete.
    unfinished = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        with Step(name) as step:
            step.tell("downloading")
            count = _copy(maven, name, unfinished, step)
            step.end_with(f"{count} jars, kept in {place}")
        if not place.is_dir():
            unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _copy(maven: str, name: str, place: Path, step: Step) -> int:
    command = [maven, "--batch-mode", "--file", str(POMS / name / "pom.xml")]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={place}"]
    lines: list[str] = []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            _tell(line, step)
        code = process.wait()
    finally:
        process.kill()
        process.communicate()
    if code != 0:
        errors = [line for line in lines if "[ERROR]" in line] or lines
        raise Problem(
            f"Maven could not fetch {name}:\n  "
            + "\n  ".join(errors[:8])
            + "\n  Is there a network? A mirror or proxy is set in ~/.m2/settings.xml."
        )
    return len(list(place.glob("*.jar")))


def _tell(line: str, step: Step) -> None:
    found = _DOWNLOADED.search(line)
    if found:
        step.tell(f"downloaded {found[1]}")
