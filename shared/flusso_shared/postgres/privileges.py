"""What the role of a connection may not read, with the statements that let it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg
from psycopg import sql

from flusso_shared.names import TableName

_UNREADABLE = """
SELECT n.nspname, c.relname, NOT has_schema_privilege(n.oid, 'USAGE')
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
WHERE NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')
ORDER BY 1, 2
"""


def unreadable(connection: psycopg.Connection[Any], tables: Collection[TableName]) -> list[str]:
    """One sentence for each of `tables` that the role may not read.  Raises `psycopg.Error`."""
    names = ([table.schema for table in tables], [table.name for table in tables])
    problems: list[str] = []
    role = sql.Identifier(connection.info.user)
    for schema, name, no_usage in connection.execute(_UNREADABLE, names):
        table = sql.Identifier(schema, name)
        grants = [sql.SQL("GRANT SELECT ON {} TO {};").format(table, role)]
        if no_usage:
            usage = sql.SQL("GRANT USAGE ON SCHEMA {} TO {};")
            grants.insert(0, usage.format(sql.Identifier(schema), role))
        text = " ".join(grant.as_string(None) for grant in grants)
        problems.append(
            f"role {connection.info.user} may not read table {schema}.{name}; run {text}"
        )
    return problems
