"""Many indexes in one file: what a process needs does not grow with them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from support import web
from support.processes import Site, cleaned_up, embedded_pipeline
from support.views.overviews import await_overview, behind
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

INDEXES = 30
SESSIONS = 12
"""Of `flusso run`: four of its indexes, and what capture and the overview need."""
DEADLINE = 120.0
_SCHEMA = """\
version: 1
table: {table}
primary_key: id
fields:
  - integer: id
    required: true
  - text: name
"""


def test_all_are_kept_over_few_sessions(site: Site, tmp_path: Path) -> None:
    names = [f"things_{number:02}" for number in range(INDEXES)]
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, name text)".encode())
            connection.execute(f"INSERT INTO {name} VALUES (1, 'one')".encode())

        def sessions() -> int:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
            return int(row[0]) if row else 0

        made = site.with_schemas(tmp_path, {name: _SCHEMA.format(table=name) for name in names})
        with cleaned_up(embedded_pipeline(made, tmp_path)) as pipeline:
            pipeline.start()
            (daemon,) = pipeline.daemons
            await_overview(daemon, "all are seeded", behind, DEADLINE)
            until("few sessions are left", lambda: sessions() <= SESSIONS, DEADLINE)
            for name in names:
                connection.execute(f"UPDATE {name} SET name = 'two'".encode())
            with web.client(made.opensearch_url) as client:
                until(
                    "every index has the change",
                    lambda: all(
                        client.get(f"/{made.index_prefix}{name}/_doc/1").json()["_source"]["name"]
                        == "two"
                        for name in names
                    ),
                    DEADLINE,
                )
            until("few sessions are left", lambda: sessions() <= SESSIONS, DEADLINE)
