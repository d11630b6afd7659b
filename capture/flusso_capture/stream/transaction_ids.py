"""Transaction ids: the 32 bits of the log are widened to the 64 bits of snapshots.  Pure."""

from __future__ import annotations

_EPOCH = 1 << 32
_HALF = 1 << 31


def widen(xid: int, reference: int) -> int:
    """The 64-bit id with the low half `xid` that is nearest to `reference`.

    Postgres keeps all ids in use within 2^31 of each other, so the nearest id is the right one.
    """
    distance = (xid - reference) % _EPOCH
    if distance >= _HALF:
        distance -= _EPOCH
    wide = reference + distance
    # There is no epoch before the first.
    return wide if wide >= 0 else wide + _EPOCH


class TransactionIds:
    """Widens the ids of one stream; each is the reference for the next."""

    def __init__(self, reference: int) -> None:
        """`reference` is a current 64-bit id, e.g. the xmax of `pg_current_snapshot()`."""
        self._reference = reference

    def widen(self, xid: int) -> int:
        self._reference = widen(xid, self._reference)
        return self._reference
