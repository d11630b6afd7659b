"""`flusso slot` on a slot that capture made: its state, and when it may be dropped."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.commands import program, run_command
from support.kits.capture_kit import Kit, create_tables
from support.processes import Site
from support.servers.own_postgres import own_postgres
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 120.0
FOLLOWS = "The next start of capture rebuilds every index."


@pytest.fixture
def kit(site: Site, tmp_path: Path) -> Kit:
    """Capture over a database, and a configuration of it in the test's folder."""
    site.write_config(tmp_path)
    create_tables(site.database_url)
    return Kit(site.database_url, site.slot)


def run_slot(site: Site, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a subcommand on the slot of the test."""
    done = site.run(folder, "slot", *arguments, "--slot", site.slot, deadline=DEADLINE)
    return done.returncode, done.stdout, done.stderr


def state(site: Site, folder: Path) -> dict[str, Any]:
    _, out, err = run_slot(site, folder, "status", "--json")
    assert out, err
    return dict(json.loads(out))


def answered(site: Site, folder: Path, answer: str) -> tuple[int, str]:
    """`flusso slot drop` on a terminal where `answer` is typed: the exit code and what the terminal shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [program("flusso"), "slot", "drop", "--slot", site.slot],
        cwd=folder,
        env=site.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        while b"[y/N]" not in shown:
            shown += os.read(terminal.fileno(), 1000)
        terminal.write(f"{answer}\n".encode())
        try:
            while part := os.read(terminal.fileno(), 1000):
                shown += part
        except OSError:
            pass  # Linux reports the end of a terminal as an error.
    return process.wait(DEADLINE), " ".join(shown.decode().split())


def test_the_state_of_a_slot_that_capture_reads(kit: Kit, site: Site, tmp_path: Path) -> None:
    with kit.running():
        until("the stream", lambda: state(site, tmp_path)["active"])
        found = state(site, tmp_path)
        code, out, _ = run_slot(site, tmp_path, "status")
    with psycopg.connect(site.database_url) as connection:
        row = connection.execute(
            "SELECT restart_lsn >= %s::pg_lsn, confirmed_flush_lsn >= %s::pg_lsn, current_database()"
            " FROM pg_replication_slots WHERE slot_name = %s",
            (found["restart_lsn"], found["confirmed_lsn"], site.slot),
        ).fetchone()
    assert row is not None
    assert found["exists"] is True
    assert row[:2] == (True, True)
    assert (found["plugin"], found["type"], found["database"]) == ("pgoutput", "logical", row[2])
    assert found["wal_status"] == "reserved"
    assert found["safe_bytes"] is None
    assert found["retained_bytes"] >= found["lag_bytes"] >= 0
    assert found["age_transactions"] >= 0
    assert found["holder"]["application"] == "flusso-capture"
    assert code == 0
    assert f"PID {found['holder']['pid']} (flusso-capture, user" in out


def test_it_is_dropped_only_when_no_process_reads_it(kit: Kit, site: Site, tmp_path: Path) -> None:
    with kit.running():
        until("the stream", lambda: state(site, tmp_path)["active"])
        code, _, err = run_slot(site, tmp_path, "drop", "--yes")
        assert code == 1
        assert f"cannot drop replication slot {site.slot}: PID" in err
        assert "stop capture, then drop the slot" in err
    until("the slot is free", lambda: not state(site, tmp_path)["active"])
    _, out, _ = run_slot(site, tmp_path, "status")
    assert "No process reads from the slot" in out
    code, out, _ = run_slot(site, tmp_path, "drop", "--yes")
    assert code == 0
    assert f"dropped replication slot {site.slot}, which kept" in out
    assert FOLLOWS in out
    assert state(site, tmp_path) == {"slot": site.slot, "exists": False}
    code, out, _ = run_slot(site, tmp_path, "status")
    assert code == 1
    assert "does not exist at" in out
    code, _, err = run_slot(site, tmp_path, "drop", "--yes")
    assert code == 1
    assert "does not exist at" in err
    away = replace(site, database_url="postgresql://me@127.0.0.1:1/nowhere")
    code, _, err = run_slot(away, tmp_path, "status")
    assert code == 1
    assert "then run the command again" in err


def test_a_terminal_is_asked_and_nothing_else_drops_it(
    kit: Kit, site: Site, tmp_path: Path
) -> None:
    kit.prepare()
    environment = site.environment() | {"FLUSSO_YES": "true", "FLUSSO_SLOT": site.slot}
    done = run_command(tmp_path, environment, "flusso", "slot", "drop", deadline=DEADLINE)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    code, shown = answered(site, tmp_path, "n")
    assert code == 1
    assert FOLLOWS in shown
    assert state(site, tmp_path)["exists"] is True
    code, shown = answered(site, tmp_path, "y")
    assert code == 0, shown
    assert state(site, tmp_path)["exists"] is False


def test_a_slot_of_another_program_is_shown_and_not_dropped(
    kit: Kit, site: Site, tmp_path: Path
) -> None:
    kit.sql(f"SELECT pg_create_logical_replication_slot('{site.slot}', 'test_decoding')")
    assert state(site, tmp_path)["plugin"] == "test_decoding"
    code, _, err = run_slot(site, tmp_path, "drop", "--yes")
    assert code == 1
    assert "exists with plugin test_decoding" in err
    assert state(site, tmp_path)["exists"] is True


def test_what_follows_is_what_the_configuration_says(kit: Kit, site: Site, tmp_path: Path) -> None:
    config = tmp_path / "flusso.toml"
    config.write_text(
        config.read_text().replace("[source]\n", '[source]\non_lost_position = "stop"\n')
    )
    kit.prepare()
    code, out, _ = run_slot(site, tmp_path, "drop", "--yes")
    assert code == 0
    assert 'The next start of capture stops, because of on_lost_position = "stop"' in out


def test_a_slot_whose_log_is_removed(site: Site, tmp_path: Path) -> None:
    """`safe` shrinks to nothing, then Postgres invalidates the slot: each is reported with what to do."""
    with own_postgres(max_slot_wal_keep_size="32MB") as server:
        site = replace(site, database_url=server.url())
        site.write_config(tmp_path)
        create_tables(site.database_url)
        Kit(site.database_url, site.slot).prepare()
        before = state(site, tmp_path)
        assert 0 < before["safe_bytes"] <= 48 * 1024**2
        for _ in range(5):
            server.execute("SELECT pg_logical_emit_message(false, '', 'x'), pg_switch_wal()")
        assert state(site, tmp_path)["wal_status"] == "unreserved"
        code, out, _ = run_slot(site, tmp_path, "status")
        assert code == 0
        assert "raise max_slot_wal_keep_size" in out
        server.execute("CHECKPOINT")
        assert state(site, tmp_path)["wal_status"] == "lost"
        _, out, _ = run_slot(site, tmp_path, "status")
        assert f"Postgres removed log that the slot needs. {FOLLOWS}" in out
        code, _, err = run_slot(site, tmp_path, "drop", "--yes")
        assert code == 0, err
