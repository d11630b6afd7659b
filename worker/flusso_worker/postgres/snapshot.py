"""What a snapshot of Postgres sees, and the version of the documents that are built in it (I2, I3).  Pure.

The number of transactions that are completed in a snapshot orders the snapshots of one primary: the completed sets are
nested, so the number never decreases, and snapshots with equal numbers see the same data.  The timeline keeps the order
across a failover.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flusso_shared.change import Origin

_TIMELINE_SHIFT = 48

Xids = Mapping[Origin, Collection[int]]
"""Ids of transactions that a build must see, by the database system and timeline that they belong to."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The view that a transaction has of one database system."""

    origin: Origin
    xmax: int
    """No transaction with this id or a later one was completed: all of them are invisible."""
    running: frozenset[int]
    """Ids below `xmax` of transactions in progress."""
    taken_at: float
    """`Clock.monotonic()`, not later than the snapshot itself."""

    @property
    def completed(self) -> int:
        """The number of transactions that are completed in this snapshot."""
        return self.xmax - len(self.running)

    @property
    def version(self) -> int:
        """The version of every document that is built in this snapshot; see `version`."""
        return version(self.origin.timeline, self.completed)

    def sees(self, xid: int) -> bool:
        """Whether the changes of that transaction, if it committed, are visible."""
        return xid < self.xmax and xid not in self.running

    def hidden(self, xids: Xids) -> list[int]:
        """Those of the transactions that this snapshot does not see.

        Ids of another system or timeline count as visible: a failover may have lost these transactions.
        """
        return [xid for xid in xids.get(self.origin, ()) if not self.sees(xid)]


def parse(text: str, origin: Origin, taken_at: float) -> Snapshot:
    """Read `pg_current_snapshot()::text`, which is `xmin:xmax:xid,xid,...`."""
    _, xmax, running = text.split(":")
    ids = frozenset(int(xid) for xid in running.split(",")) if running else frozenset[int]()
    return Snapshot(origin, int(xmax), ids, taken_at)


def version(timeline: int, completed: int) -> int:
    """The version for a number of completed transactions on a timeline: 64 bits, of which 48 are the number."""
    return timeline << _TIMELINE_SHIFT | completed


def split_version(value: int) -> tuple[int, int]:
    """The timeline and the number of completed transactions of a version."""
    return value >> _TIMELINE_SHIFT, value & ((1 << _TIMELINE_SHIFT) - 1)
