"""Waits until something holds, with a deadline: the only way in which tests wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

DEADLINE = 60.0
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_PATIENCE = float(os.environ.get("FLUSSO_TEST_PATIENCE", "1"))
"""A machine may be slow, and its time shared; a deadline is there for what would never come."""


def patient(seconds: float) -> float:
    """A deadline for this machine: `FLUSSO_TEST_PATIENCE` times as long."""
    return seconds * _PATIENCE


def until(
    what: str,
    condition: Callable[[], object],
    seconds: float = DEADLINE,
    *,
    step: Callable[[], object] | None = None,
) -> None:
    """Wait until `condition` gives something true; `what` names it in the failure.

    `step` runs between two looks, in place of a pause: a poll, say, that brings `condition` about.  Pauses grow with the time that was
    waited, to a tenth of it: a look takes from what it waits for, and most look at all documents.
    """
    until_none(what, lambda: None if condition() else "", seconds, step=step)


def until_none(
    what: str,
    missing: Callable[[], str | None],
    seconds: float = DEADLINE,
    *,
    step: Callable[[], object] | None = None,
) -> None:
    """Wait until `missing` gives None.  What it gives otherwise says what is missing, for the failure."""
    seconds = patient(seconds)
    began = time.monotonic()
    while (left := missing()) is not None:
        waited = time.monotonic() - began
        assert waited < seconds, f"{what}: not within {seconds:.0f} s{left and f': {left}'}"
        if step is not None:
            step()
        else:
            time.sleep(min(max(_PAUSE, waited / 10), _LONGEST_PAUSE))
