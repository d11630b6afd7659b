"""Relations whose rows cannot be followed in the write-ahead log, and why.

`refusal` is pure; `read_refusals` asks the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from flusso_shared.names import TableName
from flusso_shared.problems import listed

# What Postgres itself brings has lower object ids, and is in no publication.
_READ = """
SELECT n.nspname, c.relname, c.relkind::text, c.relpersistence::text, c.oid < 16384,
       CASE WHEN c.relkind = 'r' THEN
            ARRAY(SELECT ARRAY[cn.nspname, child.relname, n.nspname, c.relname, child.relkind, child.relpersistence]::text[]
                  FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
                  JOIN pg_namespace cn ON cn.oid = child.relnamespace
                  WHERE i.inhparent = c.oid ORDER BY 1)
            WHEN c.relkind = 'p' THEN
            ARRAY(SELECT ARRAY[ln.nspname, leaf.relname, un.nspname, upper.relname, leaf.relkind, leaf.relpersistence]::text[]
                  FROM pg_partition_tree(c.oid) t
                  JOIN pg_class leaf ON leaf.oid = t.relid JOIN pg_namespace ln ON ln.oid = leaf.relnamespace
                  JOIN pg_class upper ON upper.oid = t.parentrelid JOIN pg_namespace un ON un.oid = upper.relnamespace
                  WHERE t.isleaf AND (leaf.relkind = 'f' OR (leaf.relkind <> 'p' AND leaf.relpersistence <> 'p'))
                  ORDER BY 1)
       END
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
"""

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a composite type",
    "i": "an index",
    "I": "an index",
    "t": "a TOAST table",
}
_PERSISTENCE = {"u": "unlogged", "t": "temporary"}
_NOT_LOGGED = "its changes are not in the write-ahead log"


@dataclass(frozen=True, slots=True)
class Part:
    """A child table, or a partition that cannot be followed."""

    name: TableName
    parent: TableName
    kind: str
    """As `pg_class.relkind`."""
    persistence: str
    """As `pg_class.relpersistence`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a relation cannot be followed."""

    rule: str
    """`not-a-table`, `not-logged` or `inheritance`."""
    reason: str
    cure: str
    sql: str = ""
    """Statements that cure it, where there are."""

    @property
    def told(self) -> str:
        """The reason and the cure."""
        return f"{self.reason}; {self.cure}" + (f": {self.sql}" if self.sql else "")


def refusal(
    name: TableName, kind: str, persistence: str, *, system: bool, parts: Collection[Part] = ()
) -> Refusal | None:
    """None for a relation whose rows can be followed.

    `parts` are the children of an ordinary table, or those partitions whose changes are not in the log.
    """
    if kind not in ("r", "p"):
        cure = "name the table or tables that it reads" if kind in "vm" else "name a table"
        return Refusal("not-a-table", f"`{name}` is {_KINDS[kind]}: {_NOT_LOGGED}", cure)
    if system:
        reason = f"`{name}` is a system table: it can be in no publication"
        return Refusal("not-a-table", reason, "name a table of your own")
    if persistence in _PERSISTENCE:
        return _not_logged(name, kind, persistence)
    if not parts:
        return None
    if kind == "r":
        return _inherited(name, parts)
    return _partitions(name, parts)


def _not_logged(name: TableName, kind: str, persistence: str) -> Refusal:
    reason = f"table `{name}` is {_PERSISTENCE[persistence]}: {_NOT_LOGGED}"
    if persistence == "u" and kind == "r":
        return Refusal("not-logged", reason, "make it an ordinary table", _logged(name))
    return Refusal("not-logged", reason, "create it again as an ordinary table")


def _inherited(name: TableName, children: Collection[Part]) -> Refusal:
    names = listed([str(child.name) for child in children])
    text = sql.SQL("ALTER TABLE {} NO INHERIT {};")
    return Refusal(
        "inheritance",
        f"table `{name}` has child tables that inherit from it, {names}: a read of it gives their rows too,"
        " whose changes come under other names",
        "use declarative partitioning, or end the inheritance",
        " ".join(
            text.format(sql.Identifier(*child.name), sql.Identifier(*child.parent)).as_string(None)
            for child in children
        ),
    )


def _partitions(name: TableName, parts: Collection[Part]) -> Refusal:
    told = [f"`{part.name}` is {_form(part)}" for part in parts]
    return Refusal(
        "not-logged",
        f"changes of some partitions of table `{name}` are not in the write-ahead log: {', '.join(told)}",
        "make them ordinary tables, or detach them",
        " ".join(_partition_cures(parts)),
    )


def _form(part: Part) -> str:
    return _KINDS["f"] if part.kind == "f" else _PERSISTENCE[part.persistence]


def _partition_cures(parts: Collection[Part]) -> Iterator[str]:
    for part in parts:
        if part.kind != "f" and part.persistence == "u":
            yield _logged(part.name)
        else:
            text = sql.SQL("ALTER TABLE {} DETACH PARTITION {};")
            whole = text.format(sql.Identifier(*part.parent), sql.Identifier(*part.name))
            yield whole.as_string(None)


def _logged(name: TableName) -> str:
    return sql.SQL("ALTER TABLE {} SET LOGGED;").format(sql.Identifier(*name)).as_string(None)


def read_refusals(
    connection: psycopg.Connection[Any], tables: Sequence[TableName]
) -> dict[TableName, Refusal]:
    """Those of `tables` that are there and cannot be followed.  Raises `psycopg.Error`."""
    names = ([name.schema for name in tables], [name.name for name in tables])
    found: dict[TableName, Refusal] = {}
    for schema, relation, kind, persistence, system, parts in connection.execute(_READ, names):
        name = TableName(schema, relation)
        known = [_part(*part) for part in parts or ()]
        refused = refusal(name, kind, persistence, system=system, parts=known)
        if refused is not None:
            found[name] = refused
    return found


def _part(schema: str, name: str, above: str, parent: str, kind: str, persistence: str) -> Part:
    return Part(TableName(schema, name), TableName(above, parent), kind, persistence)
