"""What the compiler makes of a schema: everything capture and workers act on, catalog-free and hashable.

A plan is plain data.  It holds the document as a tree, the ways from each table up to the root, and the
structural hash.  SQL is composed from it and the database's catalog in `flusso_worker.sql.document`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from flusso_shared.names import TableName

Columns = tuple[str, ...]


# --- conditions and order -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RawCondition:
    """SQL written by the user, spliced in parentheses with unqualified column names."""

    sql: str
    volatile: bool = False
    """Whether its answer may change without a change of the row, as the schema says."""


@dataclass(frozen=True, slots=True)
class NullCondition:
    """`column IS [NOT] NULL`."""

    column: str
    negated: bool


CompareOp = Literal[
    "eq", "neq", "lt", "lte", "gt", "gte", "like", "ilike", "in", "not_in", "between"
]


@dataclass(frozen=True, slots=True)
class CompareCondition:
    """`column <op> operands`; operands are text, cast to the column's type by Postgres."""

    column: str
    op: CompareOp
    operands: tuple[str, ...]


Condition = RawCondition | NullCondition | CompareCondition


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One term of an ORDER BY."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class SoftDelete:
    """The row counts as deleted when `column` is truthy and all of `when` hold."""

    column: str
    when: tuple[Condition, ...] = ()


# --- the document tree --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """The OpenSearch side of a field: type and the user's options, before automatic subfields."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    """Ordered enum labels; give the `.sort` subfield."""


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A value from one column of the level's row."""

    key: str
    kind: str
    """The type tag of the schema (`text`, `decimal`, `custom`, ...): decides conversion and checks."""
    column: str
    mapping: FieldMapping
    nullable: bool
    transforms: tuple[Literal["lowercase", "trim"], ...] = ()
    default: str | int | float | bool | None = None
    postgres: tuple[str, ...] = ()
    """For `custom`: the column types it accepts."""
    path: tuple[str | int, ...] = ()
    """Where the value stands in a json or jsonb column; empty for the column itself."""
    values: str = ""
    """For `map`: the type tag of its values.  Not part of the hash."""
    array: bool = False
    """Whether the column is declared to be an array, each element of the field's type.  Not part of the hash."""
    description: str = ""
    """What it is, in the words of the schema file.  Not part of the hash."""


@dataclass(frozen=True, slots=True)
class GeoField:
    """A point from two numeric columns of the level's row."""

    key: str
    lat: str
    lon: str
    mapping: FieldMapping
    nullable: bool
    description: str = ""
    """What it is, in the words of the schema file.  Not part of the hash."""


@dataclass(frozen=True, slots=True)
class ConstantField:
    """A fixed JSON value."""

    key: str
    value: Any
    mapping: FieldMapping
    description: str = ""
    """What it is, in the words of the schema file.  Not part of the hash."""


@dataclass(frozen=True, slots=True)
class ObjectField:
    """Fields of the same row, grouped."""

    key: str
    fields: tuple[Field, ...]
    mapping: FieldMapping
    description: str = ""
    """What it is, in the words of the schema file.  Not part of the hash."""


@dataclass(frozen=True, slots=True)
class Junction:
    """The table between the two ends of a many-to-many relation."""

    table: TableName
    left: Columns
    """Columns that equal the parent's columns."""
    right: Columns
    """Columns that equal the related row's key."""


@dataclass(frozen=True, slots=True)
class Edge:
    """How related rows hang on a parent row.

    Without a junction `child` columns of the related table equal `parent` columns of the parent.  With one,
    `junction.left` equals `parent` and `junction.right` equals `child`.
    """

    table: TableName
    parent: Columns
    child: Columns
    junction: Junction | None = None
    filters: tuple[Condition, ...] = ()
    order_by: tuple[OrderBy, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class JoinField:
    """A related row (`many` false: object or null) or related rows (`many` true: array)."""

    key: str
    kind: Literal["belongs_to", "has_one", "has_many", "many_to_many"]
    edge: Edge
    primary_key: Columns
    fields: tuple[Field, ...]
    mapping: FieldMapping
    nullable: bool
    description: str = ""
    """What it is, in the words of the schema file.  Not part of the hash."""

    @property
    def many(self) -> bool:
        """Whether the document holds an array."""
        return self.kind in ("has_many", "many_to_many")


@dataclass(frozen=True, slots=True)
class AggregateField:
    """One number over related rows, or a list: of their keys (`ids`) or of one of their columns (`values`)."""

    key: str
    op: Literal["count", "sum", "avg", "min", "max", "ids", "values"]
    edge: Edge
    column: str | None
    """The aggregated column; None for `count` and `ids` (which lists the related table's primary key)."""
    mapping: FieldMapping
    nullable: bool
    distinct: bool = False
    """For `values`: each value once."""
    value_type: str = ""
    """The declared type tag of the result or, of a list, of its elements; empty for `count` and `avg`.  Not part of the hash."""
    description: str = ""
    """What it is, in the words of the schema file.  Not part of the hash."""


Field = ColumnField | GeoField | ConstantField | ObjectField | JoinField | AggregateField


# --- the ways up --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hop:
    """One query on the way up: rows of `table` whose `match` columns equal the values in hand give `give`."""

    table: TableName
    match: Columns
    give: Columns


@dataclass(frozen=True, slots=True)
class Way:
    """From a changed row of `table` to the root documents that hold it.

    `columns` (the link columns) are read from the change's before and after images; each hop turns such
    tuples into the next; the last gives values of the root's key.  Without hops, `columns` already are it.
    """

    table: TableName
    columns: Columns
    hops: tuple[Hop, ...]
    field: str
    """Dotted path of the field in the document, for messages; empty for the root itself."""


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """Everything about one index that follows from its schema."""

    name: str
    hash: str
    """8 lower-case hex digits over all that changes documents or mapping, and nothing else."""
    root: TableName
    key: Columns
    """The columns whose values, joined with `:`, are the document id."""
    fields: tuple[Field, ...]
    soft_delete: SoftDelete | None
    filters: tuple[Condition, ...]
    ways: tuple[Way, ...]
    """One per occurrence of a table in the tree, the root's own first."""
    schema_file: str = ""
    """Where it was declared, for messages; not part of the hash."""
    verify_every: float = 0.0
    """Seconds after which its documents are compared with the database and repaired; 0 is never.  Not part of the hash."""
    description: str = ""
    """What a document is, in the words of the schema file.  Not part of the hash."""

    @property
    def tables(self) -> tuple[TableName, ...]:
        """Every table that can change a document, junctions and aggregates included, sorted."""
        return tuple(sorted({way.table for way in self.ways}))


@dataclass(frozen=True, slots=True)
class Plan:
    """All enabled indexes."""

    indexes: tuple[IndexPlan, ...]

    @property
    def tables(self) -> tuple[TableName, ...]:
        """Every table of every index, sorted: what the publication must cover."""
        return tuple(sorted({table for index in self.indexes for table in index.tables}))

    @property
    def roots(self) -> tuple[TableName, ...]:
        """The root tables, sorted: what a first start must snapshot."""
        return tuple(sorted({index.root for index in self.indexes}))

    def link_columns(self) -> dict[TableName, frozenset[str]]:
        """Per table the columns whose old values the log must hold (I4)."""
        links: dict[TableName, set[str]] = {}
        for index in self.indexes:
            for way in index.ways:
                links.setdefault(way.table, set()).update(way.columns)
        return {table: frozenset(columns) for table, columns in links.items()}

    def index(self, name: str) -> IndexPlan:
        """The index of that logical name; KeyError when there is none."""
        return {index.name: index for index in self.indexes}[name]


def walk(fields: Sequence[Field]) -> Sequence[Field]:
    """Every field of a tree, parents before children."""
    found: list[Field] = []
    for item in fields:
        found.append(item)
        if isinstance(item, ObjectField | JoinField):
            found.extend(walk(item.fields))
    return found
