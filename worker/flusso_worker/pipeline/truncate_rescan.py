"""After TRUNCATE of a root table: the index is looked through again once other workers' earlier writes have landed.

A worker may still be writing a document that it built before the truncate; no record will ever name that document
again.  Whatever another worker had in hand comes from records before the ends of its partitions now, and it
has landed once the group's offsets pass these.

Whoever waits holds back offsets of his own.  All truncates of a table stand in one partition, and a look goes where
that partition goes: no two workers wait for each other.
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
from flusso_worker.documents.change_batch import Intake
from flusso_worker.pipeline.offsets import Ticket
from flusso_worker.pipeline.stages import Subject

logger = logging.getLogger(__name__)

LONGEST_WAIT = 150.0
"""Seconds.  No worker writes anything that it built longer ago (see `Sink.write`)."""
_EVERY = 0.5


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
    places: frozenset[TopicPartition] = frozenset()
    """Where the truncate was read."""

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


class SecondLooks:
    """The looks of one pipeline that are still to come.  Owned by its thread."""

    def __init__(self, subject: Subject, groups: Groups, clock: Clock) -> None:
        self._subject = subject
        self._groups = groups
        self._clock = clock
        self._waiting: list[SecondLook] = []
        self._next = 0.0

    def wanted(self, ticket: Ticket, intake: Intake, own: Collection[TopicPartition]) -> bool:
        """Note a truncate that is sent now; whether its ticket stays open, because others write too."""
        ends = retry.forever(
            lambda: self._groups.ends(self._subject.plan.tables),
            doing="read end offsets",
            clock=self._clock,
        )
        awaited = {at: end for at, end in ends.items() if at not in own}
        if awaited:
            until = time.monotonic() + LONGEST_WAIT
            places = intake.truncated[self._subject.plan.root]
            self._waiting.append(SecondLook(ticket, truncate_only(intake), awaited, until, places))
        return bool(awaited)

    def give_up(self, partitions: Collection[TopicPartition]) -> None:
        """Leave the looks at truncates in these partitions to their new owner, who reads the truncates again."""
        gone = set(partitions)
        left = [look for look in self._waiting if look.places <= gone]
        self._waiting = [look for look in self._waiting if not look.places <= gone]
        for look in left:
            look.ticket.closed = True

    def due(self, own: Callable[[], Collection[TopicPartition]]) -> list[SecondLook]:
        """The looks whose time has come, each once."""
        now = time.monotonic()
        if not self._waiting or now < self._next:
            return []
        self._next = now + _EVERY
        try:
            committed = self._groups.committed(self._subject.group, self._subject.plan.tables)
        except RetryableError as error:
            logger.debug("cannot read the group's offsets yet: %s", error)
            return []
        mine = own()
        due = [look for look in self._waiting if look.due(now, committed, mine)]
        self._waiting = [look for look in self._waiting if look not in due]
        return due
