"""Metrics: a table of what exists, and each part feeds its own only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from flusso_shared import metrics, release
from flusso_shared.metrics import Metrics, Part
from support.exposition import SPECS, exported

_ROOT = Path(__file__).parents[3]


def used(folder: str) -> set[str]:
    """The metrics that the code of a folder feeds."""
    text = "\n".join(path.read_text() for path in (_ROOT / folder).rglob("*.py"))
    return set(re.findall(r"\.(?:counter|gauge|histogram)\(\s*\"([a-z_]+)\"", text))


def test_every_name_has_its_line_in_the_table() -> None:
    names = [metrics.CounterName, metrics.GaugeName, metrics.HistogramName]
    assert set(SPECS) == {name for literal in names for name in get_args(literal)}


@pytest.mark.parametrize("part", get_args(Part))
def test_a_part_feeds_exactly_the_metrics_that_its_process_exports(part: Part) -> None:
    feeds = {name for name, spec in SPECS.items() if part in spec.fed_by}
    assert used(part) | used("shared") == feeds
    assert exported(Metrics(part)) == feeds


def test_a_process_describes_itself() -> None:
    found = metrics.of_process("worker")
    labels = {"version": release.version(), "revision": release.revision()}
    assert found.registry.get_sample_value("flusso_build_info", labels) == 1
    own = {"flusso_build_info", "python_info", "python_gc_collections_total"}
    own |= {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}
    assert own <= exported(found) - exported(Metrics("worker"))
