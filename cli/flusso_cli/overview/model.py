"""The overview of a deployment as one document.  Fields that cannot be found out are None.

Text in it contains no secrets.  Times are seconds, `at` and `started_at` since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar

from flusso_shared.health.decide import Health

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """The replication slot."""

    slot: str
    publication: str
    active: bool | None = None
    """Whether a process reads from the slot."""
    wal_status: str | None = None
    lag_bytes: int | None = None
    retained_bytes: int | None = None
    safe_bytes: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """The changes of one table."""

    topic: str
    table: str
    partitions: int | None = None
    records: int | None = None
    """Offsets assigned so far, over all partitions."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The change log."""

    kind: Literal["kafka", "memory"]
    topics: Sequence[Topic] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """One destination."""

    name: str
    kind: str
    address: str
    version: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the registry, and what it answered."""

    id: str
    part: Literal["capture", "worker", "run"]
    host: str
    pid: int
    version: str
    revision: str
    public: str
    private: str
    started_at: float
    state: Literal["alive", "silent", "ended"]
    heartbeat_seconds_ago: float | None = None
    answers: bool = False
    """Whether `/status` at its public address answered."""
    phase: str | None = None
    health: Mapping[str, Any] | None = None
    uptime_seconds: float | None = None
    waiting_for: str | None = None
    last_error: str | None = None
    captured_per_second: float | None = None
    committed_per_second: float | None = None

    @property
    def lives(self) -> bool:
        """Whether it runs and does not stand still, as far as is known."""
        return self.state == "alive"

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.part} {self.host} (PID {self.pid})"


@dataclass(frozen=True, slots=True)
class Index:
    """One index of the configuration, or of the bookkeeping."""

    index: str
    state: str
    """`pending`, `backfilling`, `seeded`, `paused`, `stopped`, or `unknown`."""
    paused: bool = False
    lag: int | None = None
    """Changes that it has not applied."""
    lag_seconds: float | None = None
    rate: float | None = None
    """Changes applied per second."""
    eta_seconds: float | None = None
    """Until it has applied all, at the rates of now; None where it does not catch up, or that is not known."""
    last_error: str | None = None
    quarantine: int | None = None
    """Documents in quarantine."""
    generations: Sequence[Mapping[str, Any]] = ()
    """As `GenerationView.to_json`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong."""

    level: Literal["degraded", "failing"]
    where: str
    """The server, the process or the index that it is about."""
    what: str
    todo: str
    """What an operator does about it, and what happens by itself."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it."""

    at: float
    health: Health
    """Its reasons are the problems."""
    problems: Sequence[Problem]
    """Failures first."""
    source: Source
    queue: Queue
    sinks: Sequence[Sink]
    processes: Sequence[Process]
    indexes: Sequence[Index]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Overview:
        """An overview of a process, perhaps of another version: fields that are not known are passed over.

        Raises `KeyError` or `TypeError` for anything else.
        """
        queue = _read(Queue, value["queue"])
        topics = [_read(Topic, item) for item in queue.topics]
        return cls(
            at=value["at"],
            health=Health(value["health"]["state"], tuple(value["health"]["reasons"])),
            problems=[_read(Problem, item) for item in value["problems"]],
            source=_read(Source, value["source"]),
            queue=Queue(queue.kind, topics, queue.error),
            sinks=[_read(Sink, item) for item in value["sinks"]],
            processes=[_read(Process, item) for item in value["processes"]],
            indexes=[_read(Index, item) for item in value["indexes"]],
        )


def _read(kind: type[T], value: Any) -> T:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: item for name, item in value.items() if name in known})
