"""After TRUNCATE of a root table: all documents of the index are built a second time, once the earlier writes of other
workers are done.

A worker may still be writing a document that it built before the truncate; no record will ever name that document
again.  Whatever another worker had in flight comes from records before the current ends of its partitions, and it
is written once the group's committed offsets pass these.

The waiting batch holds back the offsets of its own partitions.  All truncates of a table are in one partition, and a
rescan moves with that partition: no two workers wait for each other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.seams import Groups, TopicPartition
from flusso_worker.documents.change_batch import ChangeBatch
from flusso_worker.pipeline.offsets import PendingBatch
from flusso_worker.pipeline.spec import PipelineSpec

logger = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 150.0
"""No worker writes anything that it built longer ago (see `Sink.write`)."""
_CHECK_INTERVAL_SECONDS = 0.5


@dataclass(slots=True)
class TruncateRescan:
    """A batch that is not done until all documents of the index were built a second time."""

    pending: PendingBatch
    batch: ChangeBatch
    """The truncate alone."""
    awaited: dict[TopicPartition, int]
    """Other members' partitions, and the offsets that these members must have committed."""
    until: float
    """Monotonic time after which no worker can still write anything from before the truncate."""
    sources: frozenset[TopicPartition] = frozenset()
    """Where the truncate was read."""

    def is_due(
        self,
        now: float,
        committed: Mapping[TopicPartition, int],
        own: Collection[TopicPartition],
    ) -> bool:
        """Whether nothing is awaited any more.  Partitions in `own` were flushed before they were assigned here."""
        self.awaited = {
            at: end
            for at, end in self.awaited.items()
            if at not in own and committed.get(at, 0) < end
        }
        return not self.awaited or now >= self.until


def truncate_only(batch: ChangeBatch) -> ChangeBatch:
    """The part of a batch that is built a second time."""
    return ChangeBatch({}, batch.truncated, batch.xids, {}, 0)


class TruncateRescans:
    """The rescans of one pipeline that are not due yet.  Owned by its thread."""

    def __init__(self, spec: PipelineSpec, groups: Groups, clock: Clock) -> None:
        self._spec = spec
        self._groups = groups
        self._clock = clock
        self._waiting: list[TruncateRescan] = []
        self._next_check = 0.0

    def schedule(
        self, pending: PendingBatch, batch: ChangeBatch, own: Collection[TopicPartition]
    ) -> bool:
        """Schedule a rescan for a batch with a truncate, if other members write too; whether there will be one.

        The caller then leaves `pending` not fully built.  Raises `StoppedError`.
        """
        ends = retry.forever(
            lambda: self._groups.ends(self._spec.plan.tables),
            doing="read end offsets",
            clock=self._clock,
        )
        awaited = {at: end for at, end in ends.items() if at not in own}
        if awaited:
            until = time.monotonic() + MAX_WAIT_SECONDS
            sources = batch.truncated[self._spec.plan.root]
            self._waiting.append(
                TruncateRescan(pending, truncate_only(batch), awaited, until, sources)
            )
        return bool(awaited)

    def drop_partitions(self, partitions: Collection[TopicPartition]) -> None:
        """Leave rescans for truncates in these partitions to the new owner, who reads the truncates again."""
        revoked = set(partitions)
        dropped = [rescan for rescan in self._waiting if rescan.sources <= revoked]
        self._waiting = [rescan for rescan in self._waiting if not rescan.sources <= revoked]
        for rescan in dropped:
            rescan.pending.fully_built = True

    def take_due(self, own: Callable[[], Collection[TopicPartition]]) -> list[TruncateRescan]:
        """The rescans that are due, each once; `own` gives the partitions assigned to this member."""
        now = time.monotonic()
        if not self._waiting or now < self._next_check:
            return []
        self._next_check = now + _CHECK_INTERVAL_SECONDS
        try:
            committed = self._groups.committed(self._spec.group, self._spec.plan.tables)
        except RetryableError as error:
            logger.debug("cannot read the group's offsets yet: %s", error)
            return []
        assigned = own()
        due = [rescan for rescan in self._waiting if rescan.is_due(now, committed, assigned)]
        self._waiting = [rescan for rescan in self._waiting if rescan not in due]
        return due
