"""The seams of the system: each a small protocol whose docstrings are the contract.

    capture ──ChangeWriter──▶ change log ──ChangeReader──▶ worker ──Sink──▶ OpenSearch, stdout

Each docstring says what is durable when, in which order, what blocks and for how long, what may be repeated, and which
threads may call.  A contract suite in `tests/contract` runs over every implementation:

* change log: `changelog.kafka`, `changelog.memory` (`test_change_log`);
* control records: `changelog.kafka.control`, `changelog.memory`, `worker.generations.control` (`test_control`);
* sinks: `sinks.opensearch`, `sinks.stdout` (`test_sink`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from flusso_shared.change import AnyChange, Record
from flusso_shared.names import GenerationName, TableName


class TopicPartition(NamedTuple):
    """One ordered part of a table's changes."""

    topic: str
    partition: int


Offsets = Mapping[TopicPartition, int]
"""Per partition the offset of the next record to read."""


# --- the change log, writer side ------------------------------------------------------------------


class ChangeWriter(Protocol):
    """Publishes changes.  Owned by one thread: all methods are called from there.

    `acknowledged` callbacks run in that thread, inside `poll` and `close`.
    """

    @property
    def max_record_bytes(self) -> int | None:
        """The largest key and value, together, of an `EncodedChange` that it takes; None when it takes none."""
        ...

    def publish(self, change: AnyChange, acknowledged: Callable[[], None]) -> bool:
        """Queue `change`; False, and nothing queued, when the buffer is full (`poll`, then try again).

        Does not wait for the log.  Changes of one key keep their order; nothing orders changes of different keys.
        `acknowledged` is called exactly once, when confirming the slot past the change is safe: in Kafka all in-sync
        replicas have the change, in memory every group has applied it.  A change that was published before may be
        published again, by this writer or another: readers then get it again.  Raises `FatalError` when the log
        refuses the change for good.
        """
        ...

    def poll(self, timeout: float) -> None:
        """Serve acknowledgements; blocks for at most `timeout` seconds, and returns early once some were served.

        Raises `RetryableError` when this writer can no longer publish: everything unacknowledged must
        then be published again through a new writer.
        """
        ...

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for what is queued, serving acknowledgements, then give up."""
        ...


class Control(Protocol):
    """What capture records, per key the newest value: lineage, snapshot progress and completion.

    All threads of a process may call it at once.  One process writes, the one that has the slot; any number read.
    Puts of one thread keep their order.  Both methods block until the server has answered, and raise
    `RetryableError` when it does not.
    """

    def load(self) -> dict[str, dict[str, Any]]:
        """Everything that was put before the call, by this process or another: the newest value per key.

        The result is the caller's own.  Empty before the first `put`.
        """
        ...

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Replace the value of `key`, a JSON object, as a whole.  May be repeated.

        Durable when it returns.  In memory it lives as long as the process; a memory log with lasting records keeps
        there what is not of snapshots.
        """
        ...


# --- the change log, reader side ------------------------------------------------------------------


class ChangeReader(Protocol):
    """One member of a consumer group.  Owned by one thread: all methods are called from there.

    A record is delivered at least once: what was not committed comes again after a restart or a rebalance.
    """

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` records, in order within each partition.

        Blocks for at most `timeout` seconds, and returns early with the first records.  May run the group's
        rebalance, and so the `on_revoked` given when the reader was made.  Raises `RetryableError` when nothing can
        be read for now, `FatalError` when positions are out of range.
        """
        ...

    def commit(self, offsets: Offsets) -> None:
        """Say that everything before `offsets` is applied.  Does not wait for the log; may be repeated.

        Durable some time after it returned, by later polls or by `close`: a log that answers late delays no caller.

        Offsets of partitions that meanwhile went to another member are dropped: it applies them again.
        """
        ...

    def assignment(self) -> Collection[TopicPartition]:
        """The partitions that this member has now."""
        ...

    def lag(self) -> int:
        """Number of records in this member's partitions that it was not told are applied.

        Does not ask the log: the ends are those of the last read.  A partition counts from its first record on.
        """
        ...

    def close(self) -> None:
        """Leave the group, without a further commit."""
        ...


class Groups(Protocol):
    """Positions of consumer groups, seen from outside the group.

    All threads may call it at once.  Each method blocks until the log has answered, and raises `RetryableError` when
    it does not.  `reset` and `forget` are durable when they return, and may be repeated.
    """

    def starts(
        self, beginning: Collection[TableName], recent: Collection[TableName], seconds: float
    ) -> Offsets:
        """Where a new generation starts: the first record of `beginning`, and of each partition of `recent` what is
        at most `seconds` older than its newest record."""
        ...

    def resumed_starts(self, recorded: Offsets, tables: Collection[TableName]) -> Offsets:
        """Where a generation over `tables` starts whose start was recorded, perhaps by an earlier process.

        `recorded`, unless the log ended with that process; then the ends.
        """
        ...

    def retains(self, group: str) -> bool:
        """Whether the log retains what `group` has not applied.

        Always, unless the log ends with the process; then only for a group that this process has used.
        """
        ...

    def ends(self, tables: Collection[TableName]) -> Offsets:
        """The offset after the last record of each partition, as of now."""
        ...

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        """What the group committed; partitions without a commit are absent."""
        ...

    def names(self) -> list[str]:
        """All groups of the log, those of others included."""
        ...

    def reset(self, group: str, offsets: Offsets) -> None:
        """Set the group's offsets.  Raises `RetryableError` while the group has members."""
        ...

    def forget(self, group: str) -> None:
        """Delete the group; no error when there is none.  Raises `RetryableError` while the group has members."""
        ...


class ChangeLog(Protocol):
    """The log of row changes: one topic per table, each key's changes in order.

    All threads may call it at once; the writers and readers it makes are owned by one thread each.
    """

    @property
    def where(self) -> str:
        """The name of the log in messages."""
        ...

    @property
    def durable(self) -> bool:
        """Whether changes and positions outlive the process.  Recorded with each generation."""
        ...

    def prepare(self, tables: Collection[TableName]) -> Mapping[TableName, str]:
        """Create what is missing (topics, the control topic).  Capture's side; may be repeated.

        Blocks until everything is there.  Gives per table an id of its topic, which differs when a topic was deleted
        and created again under the same name; nothing where that cannot happen.
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

        Starts at the group's committed offsets; a partition without any raises `FatalError` in `poll` (offsets are
        set through `Groups.reset` before the first member joins).

        `on_revoked` runs inside `poll` before partitions are given up: when it returns, what was in flight
        for them must be flushed and committed.
        """
        ...

    def holds_back(self, group: str, *, seeding: bool = False, overdue: bool = False) -> bool:
        """Whether the writer has been waiting for a while because `group` has not applied what it is to read.

        With `seeding`, also whether some other group is ahead of it: a snapshot is complete once all groups that read
        it have applied it.  With `overdue`, also whether there is anything that it has not applied: the slot cannot
        advance past it.  Never, where the log keeps changes for everyone.
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
    """The result of one build for one generation."""

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
    """The destination has the document at version `stored`, which is newer than the one written."""

    id: str
    version: int
    stored: int


@dataclass(frozen=True, slots=True)
class Written:
    """Everything in the batch is durable at the destination, but for `rejected` and `again`."""

    rejected: tuple[Rejection, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    again: frozenset[str] = frozenset()
    """Ids of documents that are to be built and written again.  They were too old to be written, or were written so late
    that the destination may have forgotten a newer delete."""


class Sink(Protocol):
    """A destination of documents.

    All threads may call it at once: two flush threads of one index share a sink.  Nothing orders their calls, so
    versions decide: a destination that stores documents keeps the one with the highest version, also where that one
    was a delete, and writes what has the version it stores.  A stream stores nothing: it prints every operation, and
    each batch as one piece.
    """

    @property
    def name(self) -> str:
        """The configured name."""
        ...

    def write(self, batch: Batch) -> Written:
        """Write the batch; returns once the destination has it, with a verdict on what it refused.

        Blocks for as long as it takes: retries what passes (429, 503, connection errors) inside, only the items
        concerned.  Nothing orders the operations of a batch but their versions.  Writing a batch
        twice is harmless, and so is the delete of a missing document.  When it raises, a part of the batch may
        have been written.  Raises `StoppedError` on shutdown, `FatalError` when the generation is gone.
        """
        ...

    def close(self) -> None:
        """Give back what the sink made for itself.  Called once no thread writes; may be repeated."""
        ...
