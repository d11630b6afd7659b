"""The seams of the system: each a small protocol whose docstrings are the contract.

    capture ──ChangeWriter──▶ change log ──ChangeReader──▶ worker ──Sink──▶ OpenSearch, stdout

The change log has two implementations, `changelog.kafka` and `changelog.memory`; sinks are `sinks.opensearch` and
`sinks.stdout`.  One contract suite (`tests/contract`) runs over both of each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from flusso_shared.change import Change, Record
from flusso_shared.names import GenerationName, TableName


class TopicPartition(NamedTuple):
    """One ordered part of a table's changes."""

    topic: str
    partition: int


Offsets = Mapping[TopicPartition, int]
"""Per partition the offset of the next record to read."""


# --- the change log, writer side ------------------------------------------------------------------


class ChangeWriter(Protocol):
    """Publishes changes.  Owned by one thread; `acknowledged` callbacks run in that thread, inside `poll`."""

    def publish(self, change: Change, acknowledged: Callable[[], None]) -> bool:
        """Queue `change`; False, and nothing queued, when the buffer is full (`poll`, then try again).

        Asynchronous.  Changes of one key keep their order.  `acknowledged` is called once the change is
        durable in the log (kafka: by all in-sync replicas; memory: applied by every group, so that
        confirming the slot is safe in both).  Raises `FatalError` when the log refuses the change for good.
        """
        ...

    def poll(self, timeout: float) -> None:
        """Serve acknowledgements for at most `timeout` seconds; returns early once some were served.

        Raises `RetryableError` when the connection has to be built anew: everything unacknowledged must
        then be published again through a new writer.
        """
        ...

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for what is queued, serving acknowledgements, then give up."""
        ...


class Control(Protocol):
    """What capture must tell, per key the newest value: lineage, snapshot progress and completion."""

    def load(self) -> dict[str, dict[str, Any]]:
        """Everything that was put before the call, newest value per key.  Blocks until read to the end."""
        ...

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Durable when it returns."""
        ...


# --- the change log, reader side ------------------------------------------------------------------


class ChangeReader(Protocol):
    """One member of a consumer group.  Owned by one thread: all methods are called from there."""

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` records within `timeout` seconds, in order within each partition.

        May run the group's rebalance, and so the `on_revoked` given when the reader was made.  Raises
        `RetryableError` when nothing can be read for now, `FatalError` when positions are out of range.
        """
        ...

    def commit(self, offsets: Offsets) -> None:
        """Say that everything before `offsets` is applied.  Durable some time after it returned, by later polls or
        by `close`: a log that answers late holds nobody up.

        Offsets of partitions that meanwhile went to another member are dropped: it applies them again.
        """
        ...

    def assignment(self) -> Collection[TopicPartition]:
        """The partitions that this member has now."""
        ...

    def close(self) -> None:
        """Leave the group, without a further commit."""
        ...


class Groups(Protocol):
    """Positions of consumer groups, seen from outside the group."""

    def starts(
        self, beginning: Collection[TableName], recent: Collection[TableName], seconds: float
    ) -> Offsets:
        """Where a new generation starts: the first record of `beginning`, and of each partition of `recent` what is
        at most `seconds` older than its newest record."""
        ...

    def ends(self, tables: Collection[TableName]) -> Offsets:
        """The offsets after the last record of each partition now."""
        ...

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        """What the group committed; partitions without a commit are absent."""
        ...

    def reset(self, group: str, offsets: Offsets) -> None:
        """Set the group's offsets.  Raises `RetryableError` while the group has members."""
        ...

    def forget(self, group: str) -> None:
        """Delete the group; no error when there is none."""
        ...


class ChangeLog(Protocol):
    """The log of row changes: one topic per table, each key's changes in order."""

    @property
    def where(self) -> str:
        """What messages call it."""
        ...

    @property
    def durable(self) -> bool:
        """Whether changes and positions outlive the process.  If not, positions start anew with it."""
        ...

    def prepare(self, tables: Collection[TableName]) -> Mapping[TableName, str]:
        """Create what is missing (topics, the control topic).  Capture's side; may be repeated.

        Gives what tells the log of each table from one that is made anew under the same name; nothing
        where that cannot happen.
        """
        ...

    def missing(self, tables: Collection[TableName]) -> list[str]:
        """Topics that a reader would need and that do not exist yet."""
        ...

    def writer(self) -> ChangeWriter:
        """A writer of its own for the calling thread."""
        ...

    def reader(
        self,
        group: str,
        tables: Sequence[TableName],
        on_revoked: Callable[[Collection[TopicPartition]], None],
    ) -> ChangeReader:
        """Join `group`, whose members share the partitions evenly: those of the first table, and those of all others.

        Starts at the group's committed offsets; a partition without any raises `FatalError` in `poll` (offsets are set through `Groups.reset` before the first member joins).

        `on_revoked` runs inside `poll` before partitions are given up: when it returns, what was in flight
        for them must be flushed and committed.
        """
        ...

    def holds_back(self, group: str, *, seeding: bool = False) -> bool:
        """Whether the writer has been waiting for a while because `group` has not applied what it is to read.

        With `seeding`, also whether some other group is ahead of it: a snapshot is complete once all groups that read
        it have applied it.  Never, where the log keeps changes for everyone.
        """
        ...

    @property
    def control(self) -> Control: ...

    @property
    def groups(self) -> Groups: ...


# --- sinks ----------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """Write (`document` is JSON text without line breaks) or delete (None) one document at a version (I3)."""

    id: str
    version: int
    document: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one build produced for one generation."""

    generation: GenerationName
    operations: Sequence[Operation]
    built_at: float
    """`Clock.monotonic()` when the snapshot of the build was taken."""


class Rejection(NamedTuple):
    """A document that the destination will never accept as it is."""

    id: str
    status: int
    reason: str


class Conflict(NamedTuple):
    """The destination has `stored` already, which is newer than what was written."""

    id: str
    version: int
    stored: int


@dataclass(frozen=True, slots=True)
class Written:
    """Everything in the batch is durable at the destination, but for `rejected`."""

    rejected: tuple[Rejection, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


class Sink(Protocol):
    """A destination of documents."""

    @property
    def name(self) -> str:
        """The configured name."""
        ...

    def write(self, batch: Batch) -> Written:
        """Write the batch; returns once the destination has it, with a verdict on what it refused.

        Retries what passes (429, 503, connection errors) inside, for as long as it takes, only the items
        concerned.  Writing a batch twice is harmless.  Raises `StaleBatchError` when the batch grew older
        than a few minutes before it could be written, `StoppedError` on shutdown, `FatalError` when the
        generation is gone.
        """
        ...

    def close(self) -> None: ...
