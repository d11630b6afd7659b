"""Keeps on record how far the log is read, so that the slot is never confirmed beyond what is recorded (I6).

That makes a slot that somebody else moved, or made anew, tell itself: it stands above the record.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from flusso_shared import retry
from flusso_shared.changelog.control_records import Checkpoint
from flusso_shared.clock import Clock
from flusso_shared.seams import Control

_PAUSE = 0.5
"""Seconds between two records."""


class Positions:
    """The record of one capture process.  `work` is the body of its thread; the rest is the stream's."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._changed = threading.Condition()
        self._recorded: Checkpoint | None = None
        self._wanted: Checkpoint | None = None
        self._closed = False

    def begin(self, position: Checkpoint) -> None:
        """A stretch of streaming begins, of which this much is on record."""
        with self._changed:
            self._recorded = self._wanted = position

    def read_to(self, lsn: int, timeline: int) -> None:
        """The log was read up to here; recorded soon, in the background."""
        wanted = self._wanted
        if wanted is not None and (lsn > wanted.lsn or timeline != wanted.timeline):
            with self._changed:
                self._wanted = replace(wanted, lsn=max(lsn, wanted.lsn), timeline=timeline)
                self._changed.notify()

    @property
    def recorded(self) -> int:
        """What may be confirmed at most."""
        position = self._recorded
        return 0 if position is None else position.lsn

    def work(self) -> None:
        """Record what is read, until `close`.  A failure is waited out, up to a stop (`StoppedError`)."""
        while (position := self._next()) is not None:
            retry.forever(
                lambda position=position: self._control.put(position.key, position.to_json()),  # type: ignore[misc]
                doing="record how far the log is read",
                clock=self._clock,
            )
            with self._changed:
                if self._wanted is not None and position.lineage == self._wanted.lineage:
                    self._recorded = position
                self._changed.wait_for(lambda: self._closed, _PAUSE)

    def close(self) -> None:
        """End `work`, once what it is doing is done."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _next(self) -> Checkpoint | None:
        """What is to be recorded; None after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._wanted != self._recorded)
            return None if self._closed else self._wanted
