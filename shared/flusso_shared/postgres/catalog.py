"""What the database's catalog says about the tables of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from flusso_shared.names import TableName
from flusso_shared.postgres.relation_kinds import Refusal


@dataclass(frozen=True, slots=True)
class TypeShape:
    """What the values of a type are made of; domains are looked through."""

    name: str = ""
    """`pg_type.typname`, e.g. `int4`, if it is a type of Postgres itself and holds no others; else empty."""
    element: TypeShape | None = None
    """Of an array: what its elements are."""
    members: tuple[tuple[str, TypeShape], ...] = ()
    """Of a composite type: its columns."""
    json_cast: bool = False
    """Whether `to_json` makes something else than its text of it, because it has a cast to json; not of hstore."""
    json_type: str = ""
    """Of a type without such a cast: the qualified name of a type that has one and that it is cast to."""


@dataclass(frozen=True, slots=True)
class Equality:
    """How values of a column compare."""

    type: str = ""
    """The type under all domains, without a length; the schema is named where the search path leaves it out."""
    collation: str = ""
    """The qualified name of a collation that is not the database's default; empty otherwise."""
    deterministic: bool = True
    """Whether texts that differ are never equal under the collation."""
    one_text: str = ""
    """Not empty where equal values always have one text: equal for types whose values have the same texts."""


@dataclass(frozen=True, slots=True)
class Generated:
    """How a generated column follows from others of its row."""

    expression: str
    """As Postgres prints it, for a session with our settings."""
    columns: tuple[str, ...]
    """The columns in it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `type` is `format_type(atttypid, atttypmod)`, e.g. `character varying(32)`."""

    name: str
    type: str
    not_null: bool
    domain_over: str = ""
    """For a column of a domain, the type under it (and under further domains); empty otherwise."""
    shape: TypeShape = TypeShape()
    equality: Equality = Equality()
    generated: Generated | None = None

    @property
    def compared_type(self) -> str:
        """The type of parameters that are compared with the column, or stand for values of it."""
        return self.equality.type or self.base_type

    @property
    def base_type(self) -> str:
        """The type whose values the column holds."""
        return self.domain_over or self.type


@dataclass(frozen=True, slots=True)
class Table:
    """A table: key columns in the order of the primary key, replica identity as `pg_class.relreplident`."""

    name: TableName
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...]
    replica_identity: Literal["d", "n", "f", "i"]
    identity_columns: frozenset[str]
    """Columns whose old values the log holds: the primary key (d), an index's columns (i), all (f), none (n)."""
    owned: bool
    """Whether the connected role may ALTER it."""
    partitioned: bool = False

    def logged(self, columns: Iterable[str]) -> frozenset[str]:
        """The columns that must be in the log for `columns` to be known: it need not hold generated ones."""
        found: set[str] = set()
        for name in columns:
            known = self.columns.get(name)
            generated = None if known is None else known.generated
            found.update((name,) if generated is None else generated.columns)
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of a plan that exist."""

    tables: Mapping[TableName, Table]
    refused: Mapping[TableName, Refusal] = field(default_factory=dict)
    """Relations of the plan that cannot be followed; ordinary and partitioned tables stand in `tables` too."""

    @property
    def followed(self) -> dict[TableName, Table]:
        """The tables whose rows can be followed."""
        return {name: table for name, table in self.tables.items() if name not in self.refused}
