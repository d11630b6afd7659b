"""Each measure of `bench/` works, at a size that says nothing about speed; the one that counts is held to its goal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services import Services
from support.commands import inherited_environment
from support.stores.dev import ROOT

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

_MEASURES = (
    "seed-kafka",
    "seed-run",
    "reindex",
    "built",
    "live-kafka",
    "live-run",
    "capture",
    "latency-kafka",
    "latency-run",
    "latency-seeding",
    "capture-memory",
    "fan-out",
    "many-indexes",
    "growth-changes",
    "growth-rows",
    "growth-indexes",
    "scaling",
    "read-typed",
    "read-nested",
    "read-untyped",
)

_PARTS = 2
"""Runs, each with a part of the measures."""


def run(*arguments: str) -> str:
    """What the command prints, which has to succeed."""
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "run.py", *arguments],
        env=inherited_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_measure_is_tried_here() -> None:
    help_text = " ".join(run("--help").split()).replace("- ", "-")  # argparse breaks lines there
    assert ", ".join(_MEASURES) in help_text


@pytest.mark.parametrize("part", range(_PARTS))
def test_each_measure_has_a_line_and_a_plot(part: int, services: Services, tmp_path: Path) -> None:
    servers = [f"--postgres={services.postgres_url}", f"--kafka={services.kafka}"]
    servers.append(f"--opensearch={services.opensearch_url}")
    page = tmp_path / "RESULTS.md"
    names = _MEASURES[part::_PARTS]
    run(*names, "--rounds=1", "--scale=0.003", f"--out={page}", "--forked", *servers)
    text = page.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| .* \| (yes|\*\*no\*\*) \|$", line)]
    assert len(rows) == len(names), text
    for name, row in zip(names, rows, strict=True):
        assert f"## {name}\n" in text
        assert (tmp_path / "plots" / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
        if name == "built":
            assert row.endswith("| yes |"), text
