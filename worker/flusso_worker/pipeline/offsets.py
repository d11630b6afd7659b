"""Which offsets may be committed: those of batches that are done, in the order they were taken in (I7).  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flusso_shared.seams import Offsets, TopicPartition


@dataclass(slots=True)
class Ticket:
    """One batch on its way through resolve, build and flush."""

    offsets: dict[TopicPartition, int]
    changes: int
    pending: int = 0
    """Chunks of documents that are not acknowledged yet."""
    closed: bool = False
    """Whether all of the batch's chunks are known."""

    @property
    def done(self) -> bool:
        return self.closed and self.pending == 0


class Ledger:
    """The batches in flight, oldest first.  Owned by one thread.

    An offset is released only when its batch and every earlier one is done: a batch that overtakes another
    waits, because one number per partition stands for all that lies before it.
    """

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()
        self._offsets: dict[TopicPartition, int] = {}
        self._changes = 0

    def open(self, offsets: Offsets, changes: int) -> Ticket:
        """Take in the next batch."""
        ticket = Ticket(dict(offsets), changes)
        self._tickets.append(ticket)
        return ticket

    @property
    def empty(self) -> bool:
        """Whether no batch is on its way."""
        self._collect()
        return not self._tickets

    @property
    def releasable(self) -> bool:
        """Whether `release` has something."""
        self._collect()
        return bool(self._offsets)

    def release(self) -> tuple[dict[TopicPartition, int], int]:
        """The offsets that may be committed now, and how many changes that finishes; each is given once."""
        self._collect()
        offsets, changes = self._offsets, self._changes
        self._offsets, self._changes = {}, 0
        return offsets, changes

    def restore(self, offsets: Offsets, changes: int) -> None:
        """Take back what could not be committed."""
        self._offsets = {**offsets, **self._offsets}
        self._changes += changes

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Never release offsets of these partitions for batches taken in so far: others own them now."""
        for offsets in self._all_offsets():
            for partition in partitions:
                offsets.pop(partition, None)

    def _all_offsets(self) -> Iterable[dict[TopicPartition, int]]:
        yield self._offsets
        for ticket in self._tickets:
            yield ticket.offsets

    def _collect(self) -> None:
        while self._tickets and self._tickets[0].done:
            ticket = self._tickets.popleft()
            self._offsets.update(ticket.offsets)
            self._changes += ticket.changes
