"""One row change: what capture publishes and workers consume.  Encoding is `changelog.codec`'s."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from flusso_shared.names import TableName

Image = Mapping[str, str | None]
"""A row's columns in Postgres' text form; NULL is None.  A column may be absent (see `Change.omitted`)."""


class Op(enum.StrEnum):
    """What happened to the row.  In the order of the Avro schema."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    READ = "read"
    """Read again by a resync, because changes of the row may have been missed."""
    TRUNCATE = "truncate"
    SNAPSHOT = "snapshot"
    """Found by the snapshot of its table: a reason to build the row's own document.  It says nothing about documents of
    other tables that contain the row: they are built for rows of their own tables, after changes of this one are
    published (I5)."""


class Origin(NamedTuple):
    """The history that positions and transaction ids of a change belong to."""

    system_id: str
    """Postgres' system identifier (`pg_control_system()`), decimal."""
    timeline: int


class Change(NamedTuple):
    """A change of one row (or, for TRUNCATE, of one table).  A plain tuple: capture makes 100,000 a second."""

    op: Op
    table: TableName
    key: tuple[str, ...]
    """Primary key values in text form, in the catalog's key order.  Empty for TRUNCATE."""
    before: Image | None
    """The replica identity's old values where the log has them; all columns under REPLICA IDENTITY FULL."""
    after: Image | None
    omitted: tuple[str, ...] = ()
    """Columns left out of the images: too large, or TOASTed and unchanged."""
    lsn: int = 0
    """Where the change itself stands in the log."""
    commit_lsn: int = 0
    """LSN of the commit record: the same for all changes of one transaction."""
    commit_time: int = 0
    """Microseconds since the Unix epoch."""
    xid: int = 0
    """Top-level transaction id, widened to 64 bits.  0 for rows that were read: they need no visibility gate."""
    sequence: int = 0
    """Position within the transaction, from 0."""
    origin: Origin = Origin("", 0)
    trace: str = ""
    """W3C `traceparent` of the span that published it; a header of a record in Kafka, not part of its value."""


class EncodedChange(NamedTuple):
    """A create or an update in the form that a log stores (`changelog.codec`), made without a `Change`."""

    table: TableName
    key: bytes
    value: bytes
    trace: str = ""
    """As in `Change`."""


AnyChange = Change | EncodedChange


class Position(NamedTuple):
    """Where a record stands in the change log.  Offsets rise within one (topic, partition)."""

    topic: str
    partition: int
    offset: int


class Record(NamedTuple):
    """A change as read back from the change log."""

    position: Position
    change: Change
