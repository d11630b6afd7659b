"""The charts are filled while no page is open, and nothing goes wrong with the process when that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flusso_shared.errors import RetryableError
from flusso_shared.process.overview_route import OverviewSlot
from flusso_shared.process.page.recorder import Recorder
from support.views.overview import AT, overview
from support.waiting import until


def recorder_of(look: Callable[[], Mapping[str, Any]] | None) -> Recorder:
    slot = OverviewSlot()
    slot.look = look
    return Recorder(slot)


def test_it_looks_without_a_page() -> None:
    recorder = recorder_of(overview)
    with recorder.recording():
        until("a sample", lambda: recorder.history.since(0))
    assert [sample.at for sample in recorder.history.since(0)] == [AT]


def test_a_process_that_starts_has_no_overview_yet() -> None:
    recorder = recorder_of(None)
    with recorder.recording(), pytest.raises(RetryableError, match="starting or stopping"):
        recorder.overview()
    assert recorder.history.since(0) == []


def test_a_failure_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Mapping[str, Any]:
        raise KeyError("lag")

    with recorder_of(fail).recording():
        until("a line in the log", lambda: caplog.records)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
