"""After TRUNCATE of a root table: the index is looked through again once other workers' earlier writes have landed.

A worker may still be writing a document that it built before the truncate; no record will ever name that document
again.  Whatever another worker had in hand comes from records before the ends of its partitions now, and it
has landed once the group's offsets pass these.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flusso_shared.seams import TopicPartition
from flusso_worker.batches import Intake
from flusso_worker.offsets import Ticket

LONGEST_WAIT = 150.0
"""Seconds.  No worker writes anything that it built longer ago (see `Sink.write`)."""


@dataclass(slots=True)
class SecondLook:
    """A ticket that stays open until the index was looked through again."""

    ticket: Ticket
    intake: Intake
    """The truncate alone."""
    awaited: dict[TopicPartition, int]
    """Other members' partitions and the offsets that they must have committed."""
    until: float
    """Monotonic time after which nothing old can be written any more."""

    def due(
        self,
        now: float,
        committed: Mapping[TopicPartition, int],
        own: Collection[TopicPartition],
    ) -> bool:
        """Whether the time has come.  What was given up to this member was flushed before."""
        self.awaited = {
            at: end
            for at, end in self.awaited.items()
            if at not in own and committed.get(at, 0) < end
        }
        return not self.awaited or now >= self.until


def truncate_only(intake: Intake) -> Intake:
    """What of a batch has to be produced again."""
    return Intake({}, intake.truncated, intake.xids, {}, 0)
