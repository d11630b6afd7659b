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
class HeartbeatOptions:
    """How workers show each other that they live, in seconds."""

    interval: float = 5.0
    """Between two heartbeats."""
    lease: float = 30.0
    """After the last heartbeat, a worker counts as gone."""
    grace: float = 10.0
    """After a worker recorded that it ends, it counts as gone."""


DEFAULT_HEARTBEAT = HeartbeatOptions()


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
class _Observation:
    carrier: Carrier
    unchanged: float = 0.0


class Liveness:
    """What one observer has seen of the workers of one index, by its own monotonic clock."""

    def __init__(self, heartbeat: HeartbeatOptions) -> None:
        self._heartbeat = heartbeat
        self._observations: dict[str, _Observation] = {}
        self._looked_at: float | None = None

    def observe(self, now: float, carriers: Sequence[Carrier]) -> None:
        """Note one look.  A worker that is seen for the first time lives."""
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, _LONGEST)
        self._looked_at = now
        observations: dict[str, _Observation] = {}
        for carrier in carriers:
            observation = self._observations.get(carrier.worker)
            if observation is None or observation.carrier != carrier:
                observation = _Observation(carrier)
            else:
                observation.unchanged += passed
            observations[carrier.worker] = observation
        self._observations = observations

    @property
    def living(self) -> list[Carrier]:
        """The workers that count as living."""
        return [
            observation.carrier
            for observation in self._observations.values()
            if not self._gone(observation)
        ]

    @property
    def gone(self) -> list[Carrier]:
        """The others that have an entry."""
        return [
            observation.carrier
            for observation in self._observations.values()
            if self._gone(observation)
        ]

    def _gone(self, observation: _Observation) -> bool:
        allowed = self._heartbeat.grace if observation.carrier.ended else self._heartbeat.lease
        return observation.unchanged >= allowed
