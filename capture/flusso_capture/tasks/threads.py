"""The threads behind the stream: `snapshot` reads tables, `slot-lag` the slot, `watch` the catalog, `positions`
records how far the log is read.  They start together, and the stream's thread supervises them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flusso_capture.options import CaptureOptions, Process
from flusso_capture.snapshot import scheduler as snapshots
from flusso_capture.source.resync_requests import Doubts
from flusso_capture.stream.checkpoint import Positions
from flusso_capture.tasks.catalog_watch import Watch
from flusso_capture.tasks.slot_lag import LagGauge
from flusso_shared.changelog.control_records import Checkpoint, Lineage
from flusso_shared.errors import StoppedError
from flusso_shared.plan.model import Plan
from flusso_shared.seams import ChangeLog

_JOIN_BUDGET = 5.0


class Background:
    """A thread whose failure `check` raises in the thread that supervises it."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        """`work` ends with `StoppedError` when a stop is requested."""
        self._work = work
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._failure is not None:
            raise self._failure

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._work()
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - `check` raises it in the supervising thread
            self._failure = error


class Crew:
    """All of them.  Owned by the stream's thread."""

    def __init__(
        self,
        options: CaptureOptions,
        plan: Plan,
        log: ChangeLog,
        process: Process,
        wanted: snapshots.Wanted,
        history: snapshots.GetHistory,
        doubts: Doubts,
    ) -> None:
        self.positions = Positions(log.control, process.clock)
        self.snapshotter = snapshots.Snapshotter(
            wanted, plan, history, log, options, process, doubts
        )
        self.watch = Watch(plan, log.control, options, process, doubts)
        self._lineage: Lineage | None = None
        self._threads = [
            Background("snapshot", self.snapshotter.work),
            Background("slot-lag", LagGauge(options, process).work),
            Background("watch", self.watch.work),
            Background("positions", self.positions.work),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def begin(self, position: Checkpoint) -> None:
        """A stretch of streaming begins."""
        self._lineage = position.lineage
        self.positions.begin(position)

    def check(self) -> None:
        """Raise what ended one of them, and what one of them saw."""
        for thread in self._threads:
            thread.check()
        if self._lineage is not None:
            self.watch.check(self._lineage)

    def join(self) -> None:
        """After a stop was requested: wait for their ends."""
        self.positions.close()
        for thread in self._threads:
            thread.join(_JOIN_BUDGET)
        for thread in self._threads:
            thread.check()
