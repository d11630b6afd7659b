"""What `flusso check` says of the server's settings: the SQL that it prints is run, and the finding is gone."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.postgres import connection
from support.kits.check_kit import checked, things, told
from support.servers.own_postgres import OwnPostgres, configured_postgres

pytestmark = pytest.mark.services

TABLE = "CREATE TABLE things (id int PRIMARY KEY)"


def test_a_log_without_rows(tmp_path: Path) -> None:
    with configured_postgres(wal_level="replica") as server:
        server.execute(TABLE)
        report = checked(tmp_path, server.url(), things())
        assert told(report) == [("error", "wal-level", "server")]
        assert "wal_level is replica" in report.diagnostics[0].message
        cure(server, report.diagnostics)
        assert told(checked(tmp_path, server.url(), things())) == []


def test_slots_and_senders_that_are_all_taken(tmp_path: Path) -> None:
    with (
        configured_postgres(max_replication_slots="2", max_wal_senders="1") as server,
        ExitStack() as senders,
    ):
        server.execute(TABLE)
        for name in ("one", "two"):
            server.execute(f"SELECT pg_create_physical_replication_slot('{name}')")
        senders.enter_context(connection.connect_replication(server.url(), "flusso-test"))
        report = checked(tmp_path, server.url(), things())
        assert told(report) == [("error", "no-free-slot", "server")] * 2
        slots, busy = report.diagnostics
        assert "all 2 of max_replication_slots" in slots.message
        assert "all 1 of max_wal_senders" in busy.message
        cure(server, report.diagnostics)
        # What took them takes them again.
        senders.enter_context(connection.connect_replication(server.url(), "flusso-test"))
        assert told(checked(tmp_path, server.url(), things())) == []
        assert server.one("SELECT count(*) FROM pg_replication_slots") == 2
        assert server.one("SELECT count(*) FROM pg_stat_get_wal_senders()") == 1


def cure(server: OwnPostgres, found: list[Diagnostic]) -> None:
    """Run what is printed and restart the server, as it says."""
    for item in found:
        assert item.sql
        assert "restart the server" in item.cure
        server.execute(*item.sql)
    server.stop()
    server.start()
