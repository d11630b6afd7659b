"""What the checks know of a database, as values; `database` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flusso_capture.source.publication import Publication
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Catalog


@dataclass(frozen=True, slots=True)
class ValueType:
    """The type of a column's values: domains and arrays looked through."""

    name: str
    """As in `pg_type.typname`, e.g. `int4`."""
    shown: str
    """As Postgres shows the element's type, e.g. `integer`."""
    kind: str
    """As `pg_type.typtype`: b(ase), c(omposite), e(num), r(ange), m(ultirange), p(seudo)."""
    array: bool
    not_null: bool
    """Whether a domain refuses NULL."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index, as far as it matters for finding rows."""

    name: str
    method: str
    columns: tuple[str | None, ...]
    """Key columns in order; None is an expression."""
    unique: bool
    usable: bool
    """Valid, and over all rows."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What `Catalog` does not say of a relation."""

    kind: str
    """As `pg_class.relkind`."""
    persistence: str
    """As `pg_class.relpersistence`."""
    readable: bool
    schema_usable: bool
    row_security: bool
    """Whether policies hide rows from the role."""
    policies: tuple[str, ...] = ()
    """Those of the table."""
    owned: bool = False
    """Whether the role owns it."""
    root: TableName | None = None
    """For a partition, the table that it is part of."""
    types: Mapping[str, ValueType] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server and what the role may do on it."""

    version: int
    """As `server_version_num`."""
    encoding: str
    standby: bool
    wal_level: str
    role: str
    superuser: bool
    may_replicate: bool
    may_create: bool
    """Whether the role may create publications in the database."""
    slots_used: int
    slots_most: int
    senders_used: int
    senders_most: int
    keep_limit: int
    """`max_slot_wal_keep_size` in megabytes; -1 is without a limit."""


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """The slot of the name that would be used."""

    plugin: str
    kind: str
    database: str
    own_database: str
    lost: bool
    two_phase: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Everything that the pure checks need."""

    server: ServerFacts
    slot: SlotFacts | None
    catalog: Catalog
    """Ordinary and partitioned tables only."""
    tables: Mapping[TableName, TableFacts]
    """Relations of every kind."""
    existing: tuple[TableName, ...]
    """Every table of the database, for near misses."""
    publication: Publication | None
