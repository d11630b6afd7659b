"""Records the checkpoint: the LSNs up to which the log was received (I6), and up to which its changes are acknowledged.

The slot is never confirmed beyond the recorded checkpoint.  So a slot that another program moved or recreated is detected: its
confirmed LSN is after the checkpoint.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from flusso_shared import retry
from flusso_shared.changelog.control_records import Checkpoint
from flusso_shared.clock import Clock
from flusso_shared.seams import Control

_RECORD_INTERVAL_SECONDS = 0.5
_ACKNOWLEDGEMENT_SECONDS = 0.05


class CheckpointRecorder:
    """The checkpoint of one capture process.  `work` is the body of its thread; the stream's thread calls the rest."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._changed = threading.Condition()
        self._recorded: Checkpoint | None = None
        self._wanted: Checkpoint | None = None
        self._closed = False

    def begin_session(self, recorded: Checkpoint) -> None:
        """A stream session begins at a recorded checkpoint."""
        with self._changed:
            self._recorded = self._wanted = recorded

    def advance(self, lsn: int, timeline: int, acknowledged: int) -> None:
        """The log was received up to `lsn`, and its changes are acknowledged up to `acknowledged`; the thread records both."""
        wanted = self._wanted
        if wanted is None:
            return
        if timeline == wanted.timeline:
            # Only a failover, to a server that lacks the end of the log, leads back.
            acknowledged = max(acknowledged, wanted.acknowledged)
        advanced = replace(
            wanted, lsn=max(lsn, wanted.lsn), timeline=timeline, acknowledged=acknowledged
        )
        if advanced != wanted:
            with self._changed:
                self._wanted = advanced
                self._changed.notify()

    @property
    def recorded_lsn(self) -> int:
        """The highest LSN that may be confirmed."""
        recorded = self._recorded
        return 0 if recorded is None else recorded.lsn

    def work(self) -> None:
        """Record the checkpoint until `close`.  Failed writes are retried, until a stop (`StoppedError`)."""
        while (checkpoint := self._next()) is not None:
            retry.forever(
                lambda checkpoint=checkpoint: self._control.put(  # type: ignore[misc]
                    checkpoint.key, checkpoint.to_json()
                ),
                doing="record how far the log is read",
                clock=self._clock,
            )
            with self._changed:
                if self._wanted is not None and checkpoint.lineage == self._wanted.lineage:
                    self._recorded = checkpoint
                self._changed.wait_for(lambda: self._closed, _RECORD_INTERVAL_SECONDS)

    def close(self) -> None:
        """End `work` after the write that is in progress."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _next(self) -> Checkpoint | None:
        """The checkpoint to be recorded; None after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._wanted != self._recorded)
            # What was received is mostly acknowledged at once: one record has both.
            self._changed.wait_for(
                lambda: self._closed or self._acknowledged(), _ACKNOWLEDGEMENT_SECONDS
            )
            return None if self._closed else self._wanted

    def _acknowledged(self) -> bool:
        """Whether more is acknowledged than was recorded."""
        wanted, recorded = self._wanted, self._recorded
        return wanted is not None and (
            recorded is None or wanted.acknowledged > recorded.acknowledged
        )
