"""Sessions on Postgres: ours are set by us, whatever a role is set to and whatever pooler is in between."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from flusso_capture.source.connection import session
from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.postgres import row_security
from flusso_shared.postgres.connection import (
    RefusedSettingsError,
    connect,
    connect_replication,
)
from flusso_shared.postgres.errors import DeniedError
from support import names
from support.documents import run
from support.kits.check_kit import STORE, checked, role, things
from support.kits.own_database import OwnDatabase
from support.servers.own_pgbouncer import own_pgbouncer
from support.waiting import until

pytestmark = pytest.mark.services

SETTINGS = {
    "statement_timeout": "300ms",
    "lock_timeout": "300ms",
    "idle_in_transaction_session_timeout": "300ms",
    "idle_session_timeout": "300ms",
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
        with connect(database, "flusso-test") as usual:
            expected = usual.execute(ROW).fetchone()
        with connect(url, "flusso-test", lock_timeout="500ms") as connection:
            assert connection.execute("SELECT pg_sleep(0.5)").fetchone() is not None
            with connection.transaction():
                connection.execute("CREATE TEMPORARY TABLE t (id int)")
                connection.execute("SELECT pg_sleep(0.5)")
            assert connection.execute(ROW).fetchone() == expected
            left = {
                setting: found[0]
                for setting, value in SETTINGS.items()
                if (found := connection.execute(f"SHOW {setting}".encode()).fetchone()) is not None
                and found[0] == value
            }
            assert left == {}
            assert connection.execute("SHOW lock_timeout").fetchone() == ("500ms",)


def test_a_limit_shorter_than_the_setup_on_a_busy_server_does_not_end_it(database: str) -> None:
    name = names.unique("flusso_test_")
    waiting = """
    SELECT FROM pg_stat_activity
    WHERE usename = %s AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > '300ms'
    """
    with (
        role(database, name) as url,
        psycopg.connect(database, autocommit=True) as admin,
        psycopg.connect(database) as busy,
        ThreadPoolExecutor() as threads,
    ):
        limit = sql.SQL("ALTER ROLE {} SET statement_timeout = '50ms'")
        admin.execute(limit.format(sql.Identifier(name)))
        busy.execute("LOCK TABLE pg_catalog.pg_settings")
        opening = threads.submit(connect, url, "flusso-test")
        until(
            "the setup has waited longer than the limit, or has ended",
            lambda: opening.done() or bool(admin.execute(waiting, (name,)).fetchall()),
        )
        busy.rollback()
        with opening.result() as connection:
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_rows_that_a_policy_hides_are_an_error_with_its_cure(database: str) -> None:
    name = names.unique("flusso_test_")
    with (
        psycopg.connect(database, autocommit=True) as admin,
        role(database, name) as url,
    ):
        for statement in (
            "CREATE TABLE notes (id int)",
            "INSERT INTO notes VALUES (1)",
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY own_rows ON notes USING (false)",
            "GRANT SELECT ON notes TO PUBLIC",
        ):
            admin.execute(statement)
        assert hiding(url, f'ALTER ROLE "{name}" BYPASSRLS') == "own_rows"
        admin.execute(sql.SQL("ALTER TABLE notes OWNER TO {}").format(sql.Identifier(name)))
        read(url)
        admin.execute("ALTER TABLE notes FORCE ROW LEVEL SECURITY")
        cure = 'ALTER TABLE "public"."notes" NO FORCE ROW LEVEL SECURITY'
        assert hiding(url, cure) == "own_rows"
        admin.execute(cure.encode())
        read(url)
        admin.execute("ALTER TABLE notes OWNER TO CURRENT_USER")
        with pytest.raises(DeniedError):
            read(url)
        admin.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(name)))
        read(url)


def read(url: str) -> None:
    """Read the table as builds do, and as snapshots do."""
    database = OwnDatabase(url, "flusso-test", SystemClock(threading.Event()))
    with closing(database):
        database.begin()
        assert database.rows(b"SELECT id::text FROM notes") == [("1",)]
    with session(url, threading.Event(), "read table notes") as connection:
        assert connection.execute("SELECT id FROM notes").fetchall() == [(1,)]
    with connect(url, "flusso-test") as connection:
        row_security.require_visible(connection, [TableName("public", "notes")])


def hiding(url: str, cure: str) -> str:
    """The policies that a read tells of, with the statement that cures it."""
    database = OwnDatabase(url, "flusso-test", SystemClock(threading.Event()))
    found: set[str] = set()
    with closing(database):
        database.begin()
        with pytest.raises(DeniedError) as caught:
            database.rows(b"SELECT id::text FROM notes")
    found.add(str(caught.value))
    with (
        pytest.raises(DeniedError) as caught,
        session(url, threading.Event(), "read from Postgres") as connection,
    ):
        connection.execute("SELECT id FROM notes")
    found.add(str(caught.value))
    (said,) = found
    assert "row-level security of table public.notes" in said
    assert cure in said
    with (
        connect(url, "flusso-test") as connection,
        pytest.raises(DeniedError, match=re.escape(cure)),
    ):
        row_security.require_visible(connection, [TableName("public", "notes")])
    return said.partition("policies: ")[2].partition(")")[0]


def test_any_role_may_set_all_that_we_set(database: str) -> None:
    """A parameter of another context is one that servers refuse to an ordinary role."""
    with connect(database, "flusso-test") as connection:
        found = connection.execute(
            "SELECT DISTINCT context FROM pg_settings WHERE source = 'session'"
        )
        assert found.fetchall() == [("user",)]


@pytest.mark.parametrize(
    ("right", "object"),
    [
        ("EXECUTE", "FUNCTION pg_catalog.set_config(text, text, boolean)"),
        ("SELECT", "pg_catalog.pg_settings"),
    ],
)
def test_a_right_that_settings_need_is_asked_for_until_it_is_granted(
    database: str, tmp_path: Path, right: str, object: str
) -> None:
    run(database, *STORE, f"REVOKE {right} ON {object} FROM PUBLIC")
    with role(database, names.unique("Flusso_Test_"), "REPLICATION") as url:
        run(database, "GRANT SELECT ON things TO PUBLIC")
        with pytest.raises(DeniedError, match=rf"row_security = off.*GRANT {right} ON"):
            connect(url, "flusso-test")
        (refused,) = checked(tmp_path, url, things()).diagnostics
        assert (refused.severity, refused.rule) == ("error", "session-setting")
        said = "the server refuses to set client_encoding = UTF8, TimeZone = UTC, "
        assert refused.message.startswith(said)
        assert "permission denied for" in refused.message
        assert "SQLSTATE 42501" in refused.message
        run(database, *refused.sql)
        assert checked(tmp_path, url, things()).diagnostics == []


def test_an_encoding_that_the_server_cannot_turn_into_utf8_is_named(
    database: str, tmp_path: Path
) -> None:
    """Every client encoding but its own is refused by such a database."""
    with encoded(database, "MULE_INTERNAL") as url:
        with pytest.raises(RefusedSettingsError, match="client_encoding = UTF8"):
            connect(url, "flusso-test")
        (refused,) = checked(tmp_path, url, things()).diagnostics
    assert (refused.severity, refused.rule) == ("error", "session-setting")
    assert "the server refuses to set client_encoding = UTF8: " in refused.message
    assert "onversion between UTF8 and MULE_INTERNAL is not supported" in refused.message
    assert "encoding UTF8" in refused.cure


def test_an_encoding_that_python_lacks_does_not_matter(database: str) -> None:
    with (
        encoded(database, "EUC_TW") as url,
        connect(url, "flusso-test") as connection,
    ):
        assert connection.execute("SELECT '\u4e2d'").fetchone() == ("\u4e2d",)


@contextmanager
def encoded(url: str, encoding: LiteralString) -> Iterator[str]:
    """The URL of a new database in that encoding, gone at the end."""
    name = names.unique("flusso_test_")
    identifier = sql.Identifier(name)
    make = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(make.format(identifier, encoding))
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused_by_name(
    database: str, mode: Literal["transaction", "statement"]
) -> None:
    says = r"PgBouncer.* transaction or statement mode .*pool_mode = session"
    with (
        own_pgbouncer(database, mode) as url,
        pytest.raises(FatalError, match=says),
    ):
        connect(url, "flusso-test")


def test_a_pooler_in_session_mode_passes_sql_and_is_named_where_replication_cannot(
    database: str, tmp_path: Path
) -> None:
    with own_pgbouncer(database, "session") as url:
        with connect(url, "flusso-test") as connection:
            assert connection.execute("SHOW row_security").fetchone() == ("off",)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        with pytest.raises(FatalError, match=r"PgBouncer.* connect to the Postgres server itself"):
            connect_replication(url, "flusso-test")
        run(database, *STORE)
        (refused,) = checked(tmp_path, url, things()).diagnostics
        assert refused.rule == "connection"
        assert "PgBouncer" in refused.message


def test_tls_that_the_server_does_not_have_is_not_waited_for(database: str) -> None:
    with pytest.raises(FatalError, match="sslmode"):
        connect(f"{database}?sslmode=require", "flusso-test")
