"""Log levels by group: `FLUSSO_LOG` takes prefixes of logger names, and the docs list those that exist."""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from flusso_shared import retry
from flusso_shared.errors import ConfigError
from flusso_shared.process import logs
from support.commands import inherited_environment, run_command
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


@pytest.mark.parametrize(
    "variables",
    [
        {"FLUSSO_LOG": "verbose"},
        {"FLUSSO_LOG": "info,flusso_worker=loud"},
        {"FLUSSO_LOG": "flusso_worker"},
        {"FLUSSO_LOG_FORMAT": "yaml"},
    ],
)
def test_what_is_unknown_is_refused_with_what_there_is(variables: dict[str, str]) -> None:
    [name] = variables
    with pytest.raises(ConfigError, match=f"^{name}: unknown .*(warn|json)"):
        logs.configure(variables)


def test_other_programs_may_have_other_levels() -> None:
    logs.configure({"RUST_LOG": "hyper=loud,flusso_worker=debug", "FLUSSO_LOG_FORMAT": ""})
    assert logging.getLogger("flusso_worker").isEnabledFor(logging.DEBUG)


def test_an_unknown_level_is_wrong_usage(tmp_path: Path) -> None:
    environment = inherited_environment() | {"FLUSSO_LOG": "verbose"}
    done = run_command(tmp_path, environment, "flusso", "schema", "config")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "FLUSSO_LOG: unknown level 'verbose'" in done.stderr


def test_repeats_come_at_intervals_that_double_up_to_ten_minutes() -> None:
    limiter = logs.RepeatLimiter()
    shown = {
        second: left_out
        for second in range(2 * 3600)
        if (left_out := limiter.admit("a", float(second))) is not None
    }
    first, *others = shown
    assert first == 0
    assert shown[first] == 0
    assert others[:5] == [5, 15, 35, 75, 155]
    assert others[-1] - others[-2] == 600
    assert all(shown[at] == at - before - 1 for before, at in itertools.pairwise(shown))


def test_a_line_that_was_quiet_for_long_comes_at_once() -> None:
    limiter = logs.RepeatLimiter()
    assert [limiter.admit("a", at) for at in (0.0, 1.0, 17.0, 18.0)] == [0, None, 0, None]
    assert limiter.admit("b", 18.0) == 0


def test_what_is_remembered_of_lines_is_bounded() -> None:
    limiter = logs.RepeatLimiter()
    for number in range(3000):
        assert limiter.admit(number, 0.0) == 0
    assert limiter.admit(2999, 1.0) is None
    assert limiter.admit(0, 1.0) == 0


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What was logged since the last call, as JSON."""
    logs.configure({"FLUSSO_LOG_FORMAT": "json"})
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_repeats_of_a_lasting_reason_are_left_out(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    logger = logging.getLogger("flusso_shared.retry")
    for attempt in range(5):
        retry.log_next_try(logger, "cannot reach it yet", 0.2 * attempt, f"port {attempt}")
    retry.log_next_try(logger, "cannot reach it yet", 0.2, "another reason")
    assert [line["fields"]["message"] for line in lines()] == [
        "cannot reach it yet, next try in 0.0 s: port 0",
        "cannot reach it yet, next try in 0.2 s: another reason",
    ]


def test_lines_about_different_documents_are_not_repeats(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    for number in range(3):
        logging.getLogger("flusso_worker.quarantine").warning(
            "document %d skipped", number, extra={"action": "quarantined"}
        )
    assert len(lines()) == 3


def test_other_packages_do_not_repeat_themselves(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    for port in range(3):
        logging.getLogger("another.package").warning("no connection from port %d", port)
    assert len(lines()) == 1


def test_the_number_of_lines_left_out_is_a_field(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    handler = logging.getLogger().handlers[0]
    for at in (0.0, 1.0, 2.0, 6.0):
        fields = {"action": "retry", "created": at, "name": "flusso", "levelno": logging.WARNING}
        record = logging.makeLogRecord({**fields, "levelname": "WARNING", "msg": "not yet"})
        handler.handle(record)
    assert [line["fields"].get("left_out") for line in lines()] == [None, 2]


def test_the_docs_list_the_groups() -> None:
    assert {"flusso_capture", "flusso_worker", "flusso_worker.pipeline"} <= set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_in_the_docs_is_a_package_that_logs(group: str) -> None:
    spec = find_spec(group)
    assert spec is not None
    assert spec.submodule_search_locations is not None, f"{group} is a module"
    sources = Path(next(iter(spec.submodule_search_locations))).rglob("*.py")
    assert any("logging.getLogger(__name__)" in source.read_text() for source in sources)
