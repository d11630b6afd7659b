"""What was committed is there once the query client says that it is applied, over each queue."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from opensearchpy import OpenSearch

from flusso_query import Client, Document, Fragment, Search
from flusso_query.errors import WaitTimeout
from support.processes import Site
from support.scenario import Scenario
from support.stores import dev as store

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

DEADLINE = 120.0
ROUNDS = 8


class UserCard(Document, index="users"):
    fullName: str | None


class Line(Fragment):
    quantity: int


class OrderCard(Document, index="orders"):
    items: list[Line]


def position(connection: psycopg.Connection) -> str:
    """As the application asks for it, after its commit."""
    row = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("queue", ["kafka, 3 workers", "flusso run"])
def test_what_was_committed_is_there_when_the_wait_ends(
    site: Site, tmp_path: Path, queue: str
) -> None:
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, site, tmp_path)
    opensearch = OpenSearch(site.opensearch_url)
    client = Client(opensearch, prefix=site.index_prefix)
    with (
        scenario.running(),
        psycopg.connect(site.database_url, autocommit=True) as connection,
        store.Editor(site.database_url, seed=1) as editor,
    ):
        scenario.wait_until_live(DEADLINE)
        for number in range(ROUNDS):
            # Others write, too.
            for _ in range(5):
                editor.edit()
            name = f"Read Your Write {number}"
            row = connection.execute(
                "UPDATE users SET full_name = %s WHERE id = (SELECT min(id) FROM users WHERE NOT deleted)"
                " RETURNING id",
                (name,),
            ).fetchone()
            assert row is not None
            client.wait_for(UserCard, position(connection), timeout=DEADLINE)
            found = client.get(UserCard, str(row[0]))
            assert found is not None
            assert found.fullName == name

            item = connection.execute(
                "UPDATE order_items SET quantity = %s WHERE id = (SELECT max(id) FROM order_items)"
                " RETURNING order_id",
                (1000 + number,),
            ).fetchone()
            assert item is not None
            # Of a related table, over two indexes, and visible to searches.
            at = position(connection)
            client.wait_for(UserCard, at, OrderCard, timeout=DEADLINE, refresh=True)
            hits = client.search(Search(OrderCard).size(1000)).hits
            quantities = {line.quantity for hit in hits for line in hit.document.items}
            assert 1000 + number in quantities
    # Nothing runs now, so nothing is applied.
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET full_name = 'late' WHERE id = 1")
        with pytest.raises(WaitTimeout, match=r"has not applied [0-9A-F]+/[0-9A-F]+ within 0\.5 s"):
            client.wait_for(UserCard, position(connection), timeout=0.5)
    opensearch.close()
