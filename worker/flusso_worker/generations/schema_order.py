"""Which schema of an index is newer, and which one leads: the newest that a living worker has.  Pure.

The order is recorded when a worker with a schema is first seen.  Each observer decides for itself whether a worker
lives, by the changes of the worker's heartbeat.  Clocks of two machines are never compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flusso_worker.generations.applied_options import AppliedOptions

_MAX_RECORDED_SCHEMAS = 20
_MAX_COUNTED_SECONDS = 5.0
"""Of the time between two observations: while the bookkeeping does not answer, no heartbeat can be seen."""


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
        return SchemaOrder(self.index, (*others, hash)[-_MAX_RECORDED_SCHEMAS:])

    def leading(self, own: str, living: Collection[str]) -> str:
        """The newest of `own` and the schemas of living workers; schemas that are not recorded yet do not count."""
        if own not in self.hashes:
            return own
        carried = {own, *living}
        return [each for each in self.hashes if each in carried][-1]

    def changed(self, own: str, living: Collection[str]) -> SchemaOrder | None:
        """The order to record, or None: for a new schema, or one that leads since no worker with a newer one is left."""
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
    """A worker that manages an index, from its entry in the bookkeeping."""

    worker: str
    """The id of its document."""
    hash: str
    sequence: int
    """Counts its heartbeats."""
    ended: bool = False
    """Whether the worker recorded that it ends."""
    options: AppliedOptions | None = None
    """None where an earlier version wrote the entry."""


@dataclass(slots=True)
class _Observation:
    carrier: Carrier
    unchanged: float = 0.0
    """Seconds since the entry changed."""


class Liveness:
    """What one observer has seen of the workers of one index, by its own monotonic clock."""

    def __init__(self, heartbeat: HeartbeatOptions) -> None:
        self._heartbeat = heartbeat
        self._observations: dict[str, _Observation] = {}
        self._observed_at: float | None = None

    def observe(self, now: float, carriers: Sequence[Carrier]) -> None:
        """Record one observation at `now`, in monotonic seconds.  A worker that is seen for the first time lives."""
        passed = (
            0.0 if self._observed_at is None else min(now - self._observed_at, _MAX_COUNTED_SECONDS)
        )
        self._observed_at = now
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
        """The other workers that have an entry."""
        return [
            observation.carrier
            for observation in self._observations.values()
            if self._gone(observation)
        ]

    def _gone(self, observation: _Observation) -> bool:
        allowed = self._heartbeat.grace if observation.carrier.ended else self._heartbeat.lease
        return observation.unchanged >= allowed
