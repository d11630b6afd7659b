"""Background tasks: the threads beside the stream.  They start together, and the stream's thread supervises them.

`snapshot` reads tables, `slot-lag` reads the slot, `watch` reads the catalog, `checkpoint` records how far the log is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.snapshot import scheduler
from flusso_capture.source.resync_requests import ResyncRequests
from flusso_capture.stream.checkpoint import CheckpointRecorder
from flusso_capture.tasks.catalog_watch import CatalogWatch
from flusso_capture.tasks.slot_lag import SlotLagMonitor
from flusso_shared.changelog.control_records import Checkpoint, Lineage
from flusso_shared.errors import StoppedError
from flusso_shared.plan.model import Plan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status

_JOIN_TIMEOUT_SECONDS = 5.0


class SupervisedThread:
    """A thread whose failure `check` raises in the supervising thread."""

    def __init__(self, name: str, work: Callable[[], None], status: Status) -> None:
        """`work` ends with `StoppedError` when a stop is requested."""
        self._work = work
        self._name = name
        self._status = status
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise the exception that ended the thread, if there is one."""
        if self._failure is not None:
            raise self._failure

    def join(self, timeout: float) -> None:
        """Wait for the thread's end for at most `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._work()
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - `check` raises it in the supervising thread
            self._failure = error
            # The supervising thread may be waiting for a server.
            self._status.thread_ended(self._name, error)


class BackgroundTasks:
    """The threads of one capture process.  Owned by the stream's thread."""

    def __init__(
        self,
        options: CaptureOptions,
        plan: Plan,
        log: ChangeLog,
        context: CaptureContext,
        wanted: scheduler.Wanted,
        history: scheduler.GetHistory,
        resync_requests: ResyncRequests,
    ) -> None:
        self.checkpoints = CheckpointRecorder(log.control, context.clock)
        self.snapshots = scheduler.SnapshotScheduler(
            wanted, plan, history, log, options, context, resync_requests
        )
        self.watch = CatalogWatch(plan, log.control, options, context, resync_requests)
        self._lineage: Lineage | None = None
        work = {
            "snapshot": self.snapshots.work,
            "slot-lag": SlotLagMonitor(options, context).work,
            "watch": self.watch.work,
            "checkpoint": self.checkpoints.work,
        }
        self._threads = [
            SupervisedThread(name, target, context.status) for name, target in work.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def begin_session(self, recorded: Checkpoint) -> None:
        """A stream session begins at a recorded checkpoint."""
        self._lineage = recorded.lineage
        self.checkpoints.begin_session(recorded)

    def check(self) -> None:
        """Raise the failure of a thread, or what the catalog watch found."""
        for thread in self._threads:
            thread.check()
        if self._lineage is not None:
            self.watch.check(self._lineage)

    def join(self) -> None:
        """Wait for the threads after a stop was requested.  Raises the failure of a thread."""
        self.checkpoints.close()
        for thread in self._threads:
            thread.join(_JOIN_TIMEOUT_SECONDS)
        for thread in self._threads:
            thread.check()
