"""Names of tables as SQL.  Pure."""

from __future__ import annotations

from psycopg import sql

from flusso_shared.names import TableName


def table(name: TableName) -> sql.Composable:
    """The qualified name."""
    return sql.Identifier(name.schema, name.name)
