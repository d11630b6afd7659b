"""Row-level security: which tables hide rows from the role of a session, and what to do about it.

Every session has `row_security = off`, so that reading such a table is an error instead of fewer rows.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import psycopg
from psycopg import pq, sql

from flusso_shared.errors import FlussoError
from flusso_shared.names import TableName
from flusso_shared.postgres.errors import DENIED, DeniedError, translate

_HIDDEN = """
SELECT n.nspname, c.relname, current_user::text, pg_has_role(current_user, c.relowner, 'USAGE'),
       ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND row_security_active(c.oid)
ORDER BY 1, 2
"""


class Hidden(NamedTuple):
    """A table that row-level security applies to, for this role."""

    table: TableName
    role: str
    owned: bool
    """The role owns it: row-level security is forced on its owner."""
    policies: tuple[str, ...]

    @property
    def cure(self) -> str:
        """The statement after which the role sees every row."""
        role, table = sql.Identifier(self.role), sql.Identifier(*self.table)
        if self.owned:
            return (
                sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY;").format(table).as_string(None)
            )
        return sql.SQL("ALTER ROLE {} BYPASSRLS;").format(role).as_string(None)

    @property
    def named(self) -> str:
        """The policies, for messages."""
        return ", ".join(self.policies) or "none, so that every row is hidden"

    def __str__(self) -> str:
        who = "" if self.owned else "let a superuser "
        return (
            f"row-level security of table {self.table} applies to role {self.role} (policies: {self.named}), and a row that"
            f" it hides would pass for one that is gone; {who}run {self.cure}"
        )


def hidden(connection: psycopg.Connection[Any]) -> list[Hidden]:
    """All such tables of the database.  Raises `psycopg.Error`."""
    return [
        Hidden(TableName(schema, name), role, owned, tuple(policies))
        for schema, name, role, owned, policies in connection.execute(_HIDDEN)
    ]


def require_visible(connection: psycopg.Connection[Any], tables: Collection[TableName]) -> None:
    """Raises `DeniedError` naming all of `tables` that hide rows, and `psycopg.Error`."""
    if found := [item for item in hidden(connection) if item.table in tables]:
        raise DeniedError("\n".join(map(str, found)))


def explained(connection: psycopg.Connection[Any], error: psycopg.Error, doing: str) -> FlussoError:
    """`errors.translate`, with the policies and the statement where row-level security is the reason.

    Ends an open transaction of the session then.  The table is looked for in the message, as no field names it.
    """
    if error.sqlstate != DENIED or connection.pgconn.status != pq.ConnStatus.OK:
        return translate(error, doing)
    said = error.diag.message_primary or ""
    try:
        connection.rollback()
        found = [item for item in hidden(connection) if item.table.name in said]
    except psycopg.Error:
        found = []
    if not found:
        return translate(error, doing)
    reasons = "\n".join(map(str, found))
    return DeniedError(f"cannot {doing}: {said} (SQLSTATE {DENIED}): {reasons}")
