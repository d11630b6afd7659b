"""Sessions on Postgres: ours are set by us, whatever a role is set to and whatever pooler is in between."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from flusso_shared import pg_session
from flusso_shared.errors import FatalError
from flusso_shared.pg_errors import DeniedError, translate
from support import names
from support.check_kit import role
from support.own_pgbouncer import own_pgbouncer

pytestmark = pytest.mark.services

SETTINGS = {
    "statement_timeout": "10ms",
    "lock_timeout": "10ms",
    "idle_in_transaction_session_timeout": "10ms",
    "idle_session_timeout": "10ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-5",
    "xmlbinary": "hex",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "row_security": "on",
    "client_encoding": "LATIN1",
}
ROW = """
SELECT DATE '2024-02-01', INTERVAL '1 day 2 hours', '\\xff'::bytea, TIMESTAMPTZ '2024-02-01 00:00+00',
       0.1::float8 + 0.2::float8, 'a\\b', '{1,NULL}'::int[] IS NULL
"""


def test_what_a_role_is_set_to_does_not_concern_our_sessions(database: str) -> None:
    name = names.unique("flusso_test_")
    with role(database, name) as url:
        with psycopg.connect(database, autocommit=True) as admin:
            for setting, value in SETTINGS.items():
                statement = sql.SQL("ALTER ROLE {} SET {} = {}")
                admin.execute(
                    statement.format(sql.Identifier(name), sql.Identifier(setting), value)
                )
        with pg_session.connect(database, "flusso-test") as usual:
            expected = usual.execute(ROW).fetchone()
        with pg_session.connect(url, "flusso-test", lock_timeout="500ms") as connection:
            assert connection.execute("SELECT pg_sleep(0.1)").fetchone() is not None
            with connection.transaction():
                connection.execute("CREATE TEMPORARY TABLE t (id int)")
                connection.execute("SELECT pg_sleep(0.1)")
            assert connection.execute(ROW).fetchone() == expected
            left = {
                setting: found[0]
                for setting, value in SETTINGS.items()
                if (found := connection.execute(f"SHOW {setting}".encode()).fetchone()) is not None
                and found[0] == value
            }
            assert left == {}
            assert connection.execute("SHOW lock_timeout").fetchone() == ("500ms",)


def test_rows_that_a_policy_hides_are_an_error(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("CREATE TABLE notes (id int)")
        admin.execute("INSERT INTO notes VALUES (1)")
        admin.execute("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
        with role(database, names.unique("flusso_test_")) as url:
            admin.execute("GRANT SELECT ON notes TO PUBLIC")
            with (
                pg_session.connect(url, "flusso-test") as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege) as caught,
            ):
                connection.execute("SELECT * FROM notes")
    error = translate(caught.value, "read from Postgres")
    assert isinstance(error, DeniedError)
    assert 'row-level security policy for table "notes"' in str(error)
    assert "BYPASSRLS" in str(error)


def test_a_pooler_in_transaction_mode_is_refused_by_name(database: str) -> None:
    with (
        own_pgbouncer(database, "transaction") as url,
        pytest.raises(FatalError, match=r"PgBouncer.* transaction mode .*pool_mode = session"),
    ):
        pg_session.connect(url, "flusso-test")


def test_a_pooler_in_session_mode_passes_sql_and_is_named_where_replication_cannot(
    database: str,
) -> None:
    with own_pgbouncer(database, "session") as url:
        with pg_session.connect(url, "flusso-test") as connection:
            assert connection.execute("SHOW row_security").fetchone() == ("off",)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        with pytest.raises(FatalError, match=r"PgBouncer.* connect to the Postgres server itself"):
            pg_session.connect_replication(url, "flusso-test")


def test_tls_that_the_server_does_not_have_is_not_waited_for(database: str) -> None:
    with pytest.raises(FatalError, match="sslmode"):
        pg_session.connect(f"{database}?sslmode=require", "flusso-test")
