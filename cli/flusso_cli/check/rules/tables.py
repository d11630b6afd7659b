"""Whether each table can be followed and read.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from psycopg import sql

from flusso_cli.check.probe.facts import DatabaseFacts, TableFacts
from flusso_cli.diagnostics.model import Diagnostic, text
from flusso_shared.names import TableName
from flusso_shared.postgres.row_security import Hidden

_FOLLOWED = ("r", "p")


def check_tables(tables: Collection[TableName], facts: DatabaseFacts) -> list[Diagnostic]:
    """One table after the other; those that do not exist are reported at the fields that need them."""
    found: list[Diagnostic] = []
    covered = set(tables) | (facts.publication.tables if facts.publication else set())
    for name in tables:
        table = facts.tables.get(name)
        if table is not None and table.kind in _FOLLOWED:
            if table.root is not None and table.root in covered:
                found.append(_partition(name, table.root))
            found += _rights(name, table, facts.server.role)
            found += _row_security(name, table, facts)
    return found


def _partition(name: TableName, root: TableName) -> Diagnostic:
    """Changes of a partition come under its root's name where that is published."""
    return Diagnostic(
        "error",
        "partition",
        f"table `{name}` is a partition of `{root}`, which is followed too: its changes come under that name",
        subject=f"table {name}",
        cure=f"name `{root}`, with a filter if only some of its rows are needed",
    )


def _rights(name: TableName, table: TableFacts, role: str) -> Iterator[Diagnostic]:
    if table.readable:
        return
    to, full = sql.Identifier(role), sql.Identifier(*name)
    grants = [text(sql.SQL("GRANT SELECT ON {} TO {}").format(full, to))]
    if not table.schema_usable:
        usage = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
        grants.insert(0, text(usage.format(sql.Identifier(name.schema), to)))
    yield Diagnostic(
        "error",
        "not-readable",
        f"role `{role}` may not read table `{name}`",
        subject=f"table {name}",
        cure="let the owner run this",
        sql=(" ".join(grants),),
    )


def _row_security(name: TableName, table: TableFacts, facts: DatabaseFacts) -> Iterator[Diagnostic]:
    if not table.row_security:
        return
    hidden = Hidden(name, facts.server.role, table.owned, table.policies)
    yield Diagnostic(
        "error",
        "row-security",
        f"row-level security of table `{name}` applies to role `{hidden.role}` (policies: {hidden.named}): no document"
        " with its rows can be built",
        subject=f"table {name}",
        cure="run this"
        if table.owned
        else "let a superuser run this, or connect as a role that sees every row",
        sql=(hidden.cure,),
    )
