"""Preflight: checks the server, the role and the tables before capture begins.  Every error names its remedy."""

from __future__ import annotations

import logging
from collections.abc import Collection

import psycopg
from psycopg import sql

from flusso_capture.source.connection import Connection
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.plan.requirements import altered_only, missing_things
from flusso_shared.postgres import privileges
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog

logger = logging.getLogger(__name__)

_OLDEST_MAJOR_VERSION = 14

_SERVER = """
SELECT current_setting('wal_level'), pg_is_in_recovery(), current_user,
       (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user)
       OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'
                  AND pg_has_role(current_user, oid, 'MEMBER'))
"""
_EXISTING = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def check(connection: Connection, plan: Plan, followed: Collection[TableName] = ()) -> Catalog:
    """The catalog of a bound plan's tables.  Raises `FatalError` with all problems of them.

    An index whose tables were all `followed` before and lack a column or a key now is only logged: the workers stop that
    index, and the other indexes go on.
    """
    _check_server(connection)
    catalog = read_catalog(connection, plan.tables)
    existing = _existing(connection)
    problems: list[str] = []
    for index in plan.indexes:
        alone = Plan((index,))
        found = missing_things(alone, catalog, existing)
        if altered_only(index, catalog) and set(alone.tables).issubset(followed):
            for problem in found:
                logger.error("%s", problem, extra={"action": "index_unsound", "index": index.name})
        else:
            problems += found
    problems += privileges.unreadable(connection, plan.tables)
    if problems:
        raise FatalError("\n".join(problems))
    return catalog


def _existing(connection: Connection) -> list[TableName]:
    """All tables, to suggest names; empty when a name is not valid text (possible in SQL_ASCII databases)."""
    try:
        return [TableName(*row) for row in connection.execute(_EXISTING)]
    except psycopg.errors.CharacterNotInRepertoire:
        return []


def _check_server(connection: Connection) -> None:
    version = connection.info.server_version // 10000
    if version < _OLDEST_MAJOR_VERSION:
        raise FatalError(
            f"the server is Postgres {version}; capture needs {_OLDEST_MAJOR_VERSION} or newer: upgrade the server"
        )
    row = connection.execute(_SERVER).fetchone()
    assert row is not None
    wal_level, standby, role, may_replicate = row
    if standby:
        raise RetryableError(
            "the Postgres server is a standby in recovery; changes are read from the primary: "
            "point the connection there, or wait for the promotion"
        )
    if wal_level != "logical":
        raise FatalError(
            f"wal_level is {wal_level}, so the log has no rows; run ALTER SYSTEM SET wal_level = "
            "'logical'; and restart the Postgres server"
        )
    if not may_replicate:
        statement = sql.SQL("ALTER ROLE {} REPLICATION;").format(sql.Identifier(role))
        raise FatalError(
            f"role {role} may not replicate; let a superuser run {statement.as_string(None)} "
            f"(on Amazon RDS: GRANT rds_replication TO {sql.Identifier(role).as_string(None)};)"
        )
