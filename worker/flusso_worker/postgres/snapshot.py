"""What a snapshot of Postgres sees, and the version that it gives to documents (I2, I3).  Pure.

The count of transactions that are completed in a snapshot orders the snapshots of one primary: their completed
sets are nested, so the count never falls, and equal counts see the same data.  The timeline keeps the order
over a failover.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flusso_shared.change import Origin

_TIMELINE_SHIFT = 48

Xids = Mapping[Origin, Collection[int]]
"""Transactions that a build must see, per history that their ids belong to."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A transaction's view of one database system."""

    origin: Origin
    xmax: int
    """The first transaction id that was not completed yet: it and later ones are invisible."""
    running: frozenset[int]
    """Ids below `xmax` that were in progress."""
    taken_at: float
    """`Clock.monotonic()`, not later than the snapshot itself."""

    @property
    def completed(self) -> int:
        """How many transaction ids are completed in this snapshot."""
        return self.xmax - len(self.running)

    @property
    def version(self) -> int:
        """The version of every document that is built in this snapshot."""
        return version(self.origin.timeline, self.completed)

    def sees(self, xid: int) -> bool:
        """Whether the effects of that transaction, if it committed, are visible."""
        return xid < self.xmax and xid not in self.running

    def hidden(self, xids: Xids) -> list[int]:
        """Which of the transactions this snapshot does not see.

        Ids of another system or timeline count as visible: a failover may have lost them for good.
        """
        return [xid for xid in xids.get(self.origin, ()) if not self.sees(xid)]


def parse(text: str, origin: Origin, taken_at: float) -> Snapshot:
    """Read `pg_current_snapshot()::text`, which is `xmin:xmax:xid,xid,...`."""
    _, xmax, running = text.split(":")
    ids = frozenset(int(xid) for xid in running.split(",")) if running else frozenset[int]()
    return Snapshot(origin, int(xmax), ids, taken_at)


def version(timeline: int, completed: int) -> int:
    """The version for a count of completed transactions on a timeline."""
    return timeline << _TIMELINE_SHIFT | completed


def split_version(value: int) -> tuple[int, int]:
    """The timeline and the count that a version was made of."""
    return value >> _TIMELINE_SHIFT, value & ((1 << _TIMELINE_SHIFT) - 1)
