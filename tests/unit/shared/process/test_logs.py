"""Log levels by group: `FLUSSO_LOG` takes prefixes of logger names, and the docs list those that exist."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from flusso_shared.process import logs
from support.stores.dev import ROOT

# The first cells of the table of groups.
_ROW = re.compile(r"^\| ((?:`flusso_[\w.]+`(?:, )?)+) \|", re.MULTILINE)
GROUPS = [
    group
    for cell in _ROW.findall((ROOT / "docs" / "operations.md").read_text())
    for group in re.findall(r"`([\w.]+)`", cell)
    if find_spec(group.partition(".")[0])  # else the row is one of the table of metrics
]


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Restores the root logger's handlers and the levels of all loggers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(before.get(name, logging.NOTSET))


def test_a_group_sets_the_level_of_everything_below_it() -> None:
    logs.configure({"FLUSSO_LOG": "warn,flusso_worker.pipeline=debug"})
    assert logging.getLogger("flusso_worker.pipeline.loop").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("flusso_worker.pipelines").isEnabledFor(logging.INFO)
    assert not logging.getLogger("flusso_worker.sinks").isEnabledFor(logging.INFO)


def test_the_docs_list_the_groups() -> None:
    assert {"flusso_capture", "flusso_worker", "flusso_worker.pipeline"} <= set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_in_the_docs_is_a_package_that_logs(group: str) -> None:
    spec = find_spec(group)
    assert spec is not None
    assert spec.submodule_search_locations is not None, f"{group} is a module"
    sources = Path(next(iter(spec.submodule_search_locations))).rglob("*.py")
    assert any("logging.getLogger(__name__)" in source.read_text() for source in sources)
