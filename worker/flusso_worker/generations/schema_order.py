"""Which schema of an index is newer, and which one leads: the newest that a living worker carries.  Pure.

The order is recorded when a worker with a schema is first seen.  Whether a worker lives is judged by each observer for
itself, from how often the worker's heartbeat changes: clocks of two machines are never compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOST = 20
"""Schemas that are remembered."""
_LONGEST = 5.0
"""Seconds between two looks that count: nothing is known of the time in which the bookkeeping did not answer."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds.  `beat`: between two heartbeats; `lease`: without one, a worker counts as gone; `grace`: after it
    said that it ends."""

    beat: float = 5.0
    lease: float = 30.0
    grace: float = 10.0


DEFAULT_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class SchemaOrder:
    """The hashes of the schemas of one index, the oldest first."""

    index: str
    hashes: tuple[str, ...] = ()

    def with_newest(self, hash: str) -> SchemaOrder:
        """The order in which `hash` is the newest."""
        others = [each for each in self.hashes if each != hash]
        return SchemaOrder(self.index, (*others, hash)[-_MOST:])

    def leading(self, own: str, living: Collection[str]) -> str:
        """The newest among `own` and those of living workers; what is not recorded yet does not count."""
        if own not in self.hashes:
            return own
        carried = {own, *living}
        return [each for each in self.hashes if each in carried][-1]

    def changed(self, own: str, living: Collection[str]) -> SchemaOrder | None:
        """What is to be recorded, or None: a new schema, or one that leads since all workers with newer ones are gone."""
        recorded = own in self.hashes
        if not recorded or (self.leading(own, living) == own and self.hashes[-1] != own):
            return self.with_newest(own)
        return None

    def to_json(self) -> dict[str, Any]:
        return {"kind": "schemas", "index": self.index, "hashes": list(self.hashes)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SchemaOrder:
        return cls(value["index"], tuple(value["hashes"]))


@dataclass(frozen=True, slots=True)
class Carrier:
    """A worker that keeps an index, as its entry says."""

    worker: str
    """The id of its document."""
    hash: str
    sequence: int
    """Counts its heartbeats."""
    ended: bool = False
    """Whether it said that it ends."""


@dataclass(slots=True)
class _Sight:
    carrier: Carrier
    unchanged: float = 0.0


class Liveness:
    """What one observer has seen of the workers of one index, by its own monotonic clock."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._sights: dict[str, _Sight] = {}
        self._looked_at: float | None = None

    def observe(self, now: float, carriers: Sequence[Carrier]) -> None:
        """Note one look.  A worker that is seen for the first time lives."""
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, _LONGEST)
        self._looked_at = now
        sights: dict[str, _Sight] = {}
        for carrier in carriers:
            sight = self._sights.get(carrier.worker)
            if sight is None or sight.carrier != carrier:
                sight = _Sight(carrier)
            else:
                sight.unchanged += passed
            sights[carrier.worker] = sight
        self._sights = sights

    @property
    def living(self) -> list[Carrier]:
        """The workers that count as living."""
        return [sight.carrier for sight in self._sights.values() if not self._gone(sight)]

    @property
    def gone(self) -> list[Carrier]:
        """The others that have an entry."""
        return [sight.carrier for sight in self._sights.values() if self._gone(sight)]

    def _gone(self, sight: _Sight) -> bool:
        allowed = self._terms.grace if sight.carrier.ended else self._terms.lease
        return sight.unchanged >= allowed
