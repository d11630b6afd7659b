"""Which offsets may be committed: those of batches that are done, in the order in which they were polled (I7).  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flusso_shared.seams import Offsets, TopicPartition
from flusso_shared.tracing import NO_SPAN, Span


@dataclass(slots=True)
class PendingBatch:
    """A batch between poll and commit."""

    offsets: dict[TopicPartition, int]
    """What may be committed once the batch and all earlier ones are done: the next offset to read, by partition."""
    changes: int
    committed_at: float | None = None
    """Seconds since the epoch: the commit of the oldest transaction in the batch."""
    acknowledged_at: float | None = None
    """Seconds since the epoch: when the last of its chunks so far was acknowledged."""
    unflushed: int = 0
    """Chunks of documents that are submitted and not acknowledged yet."""
    fully_built: bool = False
    """Whether all of the batch's chunks are submitted."""
    span: Span = NO_SPAN
    """Open until the offsets are committed."""

    @property
    def done(self) -> bool:
        return self.fully_built and self.unflushed == 0


class OffsetTracker:
    """The batches between poll and commit, oldest first.  Owned by one thread.

    An offset becomes committable only when its batch and every earlier one is done, because the committed offset of a
    partition stands for everything before it.
    """

    def __init__(self) -> None:
        self._batches: deque[PendingBatch] = deque()
        self._offsets: dict[TopicPartition, int] = {}
        self._changes = 0
        self._done: list[PendingBatch] = []

    def add_batch(
        self, offsets: Offsets, changes: int, committed_at: float | None = None
    ) -> PendingBatch:
        """Track the next batch."""
        pending = PendingBatch(dict(offsets), changes, committed_at)
        self._batches.append(pending)
        return pending

    @property
    def empty(self) -> bool:
        """Whether every batch is done."""
        self._collect()
        return not self._batches

    @property
    def oldest_commit(self) -> float | None:
        """Seconds since the epoch: the oldest commit in the batches that are not done; None where none has one."""
        self._collect()
        commits = [batch.committed_at for batch in self._batches if batch.committed_at is not None]
        return min(commits, default=None)

    @property
    def has_committable(self) -> bool:
        """Whether `take_committable` returns any offset."""
        self._collect()
        return bool(self._offsets)

    def take_committable(self) -> tuple[dict[TopicPartition, int], int]:
        """The offsets that may be committed now, and the number of changes they finish.  Returns each only once."""
        self._collect()
        offsets, changes = self._offsets, self._changes
        self._offsets, self._changes = {}, 0
        return offsets, changes

    def take_done(self) -> list[PendingBatch]:
        """The batches that became done since the last call."""
        self._collect()
        done, self._done = self._done, []
        return done

    def put_back(self, offsets: Offsets, changes: int) -> None:
        """Return what `take_committable` gave and could not be committed; newer offsets win."""
        self._offsets = {**offsets, **self._offsets}
        self._changes += changes

    def drop_partitions(self, partitions: Collection[TopicPartition]) -> None:
        """Never return offsets of these partitions for batches added so far: other members own them now."""
        for offsets in self._all_offsets():
            for partition in partitions:
                offsets.pop(partition, None)

    def _all_offsets(self) -> Iterable[dict[TopicPartition, int]]:
        yield self._offsets
        for pending in self._batches:
            yield pending.offsets

    def _collect(self) -> None:
        while self._batches and self._batches[0].done:
            pending = self._batches.popleft()
            self._offsets.update(pending.offsets)
            self._changes += pending.changes
            self._done.append(pending)
