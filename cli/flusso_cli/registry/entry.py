"""The entry of one process, and how an observer judges it.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

Part = Literal["capture", "worker", "run"]

KIND = "process"
BEAT_SECONDS = 5.0
"""Between two heartbeats."""
MISSED_BEATS = 3
"""After so many without a new heartbeat a process counts as silent."""
_KEPT_AFTER_END_SECONDS = 600.0
_KEPT_AFTER_SILENCE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One process.  Times are seconds since the epoch, by the clock of the process."""

    id: str
    part: Part
    host: str
    pid: int
    version: str
    revision: str
    public: str
    """URL of the public address, as others reach it."""
    private: str
    """URL of the private address, likewise."""
    started_at: float
    slot: str | None = None
    """The replication slot that it reads; None for a worker."""
    publication: str | None = None
    sequence: int = 0
    """Counts its heartbeats."""
    beat_at: float = 0.0
    """When it wrote the entry last."""
    interval: float = BEAT_SECONDS
    """Seconds between its heartbeats."""
    ended: bool = False
    """Whether it stopped cleanly."""

    def beat(self, now: float, *, ended: bool = False) -> Entry:
        """The entry of the next heartbeat."""
        return replace(self, sequence=self.sequence + 1, beat_at=now, ended=ended)

    def silent(self, now: float) -> bool:
        """Whether its heartbeats have stopped without an end."""
        return not self.ended and now - self.beat_at > MISSED_BEATS * self.interval

    def to_json(self) -> dict[str, Any]:
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Raises `TypeError` for an entry that lacks a field; fields of a later version are passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: item for name, item in value.items() if name in known})


def removable(entries: Iterable[Entry], now: float) -> list[Entry]:
    """The entries that say nothing more to an operator, at `now` by the clock of the observer.

    Ten minutes after a clean end, one hour after the last heartbeat, and as soon as its heartbeats have stopped when a
    later process of the same part has the same host and public address.  A process whose entry is removed by mistake
    writes it again with its next heartbeat.
    """
    known = list(entries)
    newest: dict[tuple[str, str, str], float] = {}
    for entry in known:
        place = _place(entry)
        newest[place] = max(newest.get(place, 0.0), entry.started_at)

    def says_nothing(entry: Entry) -> bool:
        kept = _KEPT_AFTER_END_SECONDS if entry.ended else _KEPT_AFTER_SILENCE_SECONDS
        replaced = entry.started_at < newest[_place(entry)]
        gone = entry.ended or entry.silent(now)
        return now - entry.beat_at > kept or (replaced and gone)

    return [entry for entry in known if says_nothing(entry)]


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.part, entry.host, entry.public
