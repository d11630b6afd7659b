"""Whatever form a change has in the log, the documents equal the tables afterwards (C of the fault cases; I4).

One pipeline per queue lives through all of them, and is compared with the oracles after each.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psycopg
import pytest

from services import Services
from support import names
from support.expected import oracle
from support.processes import Site, peak_memory
from support.scenario import Scenario
from support.stores import dev as store
from support.stores import shapes as shapes_store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
MEGABYTE = 1_000_000
MOST_MEGABYTES = 400
Connection = psycopg.Connection[tuple[object, ...]]


class Shapes(Scenario):
    """The dev store and the store of shapes in one database."""

    def _expected(self) -> dict[str, oracle.Documents]:
        url = self.site.database_url
        return oracle.expected(url) | shapes_store.expected(url)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("kafka, 2 workers", marks=pytest.mark.xdist_group("test_shapes over Kafka")),
        pytest.param("flusso run", marks=pytest.mark.xdist_group("test_shapes in one process")),
    ],
)
def shapes(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scenario]:
    """A pipeline that runs and is seeded."""
    folder = tmp_path_factory.mktemp("shapes")
    for schema in (store.ROOT / "dev" / "schemas").glob("*.schema.yml"):
        shutil.copy(schema, folder)
    shapes_store.write_schemas(folder)
    with names.site(services) as found:
        indexes = (*found.indexes, *shapes_store.INDEXES)
        site = Site(
            **{**vars(found), "schemas": folder, "indexes": indexes, "partitions": 2, "fresh": True}
        )
        store.load_store(site.database_url)
        shapes_store.create(site.database_url)
        scenario = Shapes.over(request.param, site, folder)
        with scenario.running():
            scenario.wait_until_live(DEADLINE)
            yield scenario


@pytest.fixture
def connection(shapes: Scenario) -> Iterator[Connection]:
    """A connection in autocommit mode; what the test did with it is compared at the end."""
    with psycopg.connect(shapes.site.database_url, autocommit=True) as found:
        yield found
    shapes.assert_equal(DEADLINE)


def run(connection: Connection, *statements: str) -> None:
    """All statements in one transaction."""
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())


# --- transactions ---------------------------------------------------------------------------------


def test_only_what_was_committed_shows(connection: Connection) -> None:
    """Cases 29, 30: savepoints, nested, rolled back in part; and a transaction rolled back as a whole."""
    run(
        connection,
        "INSERT INTO shelves VALUES (100, 'kept')",
        "SAVEPOINT one",
        "INSERT INTO shelves VALUES (101, 'gone')",
        "UPDATE crates SET shelf_id = 101 WHERE id = 1",
        "SAVEPOINT two",
        "DELETE FROM labels WHERE id = 3",
        "ROLLBACK TO one",
        "SAVEPOINT three",
        "UPDATE crates SET shelf_id = 100 WHERE id = 2",
        "RELEASE three",
        "SAVEPOINT four",
        "DELETE FROM labels WHERE id = 4",
        "ROLLBACK TO four",
    )
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM bottles")


def test_the_order_of_commits_counts(shapes: Scenario, connection: Connection) -> None:
    """Case 31: the transaction that began first commits last, over rows that the other has changed."""
    with psycopg.connect(shapes.site.database_url) as long:
        long.execute("UPDATE shelves SET name = 'long' WHERE id = 1")
        for number in range(20):
            run(
                connection,
                f"UPDATE shelves SET name = 'short {number}' WHERE id = 2",
                f"UPDATE crates SET note = 'short {number}' WHERE id = 3",
            )
        long.execute("UPDATE shelves SET name = 'long' WHERE id = 2")
        long.execute("DELETE FROM bottles WHERE crate_id = 3")


def test_a_row_made_and_gone_within_a_transaction_leaves_nothing(connection: Connection) -> None:
    """Case 38: and the same key again in later ones."""
    run(
        connection,
        "INSERT INTO bottles VALUES (50, 1, 5), (51, 2, 5)",
        "UPDATE bottles SET size = 6 WHERE id IN (50, 51)",
        "DELETE FROM bottles WHERE id = 50",
    )
    for size in range(5):
        run(connection, "DELETE FROM bottles WHERE id = 51")
        run(connection, f"INSERT INTO bottles VALUES (51, 3, {size})")


def test_messages_and_empty_transactions_are_passed_over(connection: Connection) -> None:
    """Case 42: logical messages, DDL alone, a replication origin."""
    run(connection, "SELECT pg_logical_emit_message(true, 'another', 'program')")
    run(connection, "SELECT pg_logical_emit_message(false, 'another', 'program')")
    run(connection, "CREATE TABLE neither (id int)", "INSERT INTO neither VALUES (1)")
    run(connection, "DROP TABLE neither")
    origin = connection.info.dbname
    run(connection, f"SELECT pg_replication_origin_create('{origin}')")
    run(
        connection,
        f"SELECT pg_replication_origin_session_setup('{origin}')",
        "SELECT pg_replication_origin_xact_setup('0/1', now())",
        "UPDATE shelves SET name = 'from elsewhere' WHERE id = 3",
    )
    run(connection, "SELECT pg_replication_origin_session_reset()")
    run(connection, f"SELECT pg_replication_origin_drop('{origin}')")


# --- rows -----------------------------------------------------------------------------------------


def test_large_values_that_do_not_change_stay(connection: Connection) -> None:
    """Case 32: TOASTed values are not in the log again when another column changes."""
    large = (
        "SELECT string_agg(md5(n::text), '') FROM generate_series(1, %s) n",
        (MEGABYTE // 32,),
    )
    connection.execute(f"UPDATE products SET description = ({large[0]}) WHERE id = 1", large[1])
    connection.execute(
        "UPDATE products SET title = jsonb_build_object('en', repeat('title ', 20000)) WHERE id = 2"
    )
    run(connection, "UPDATE products SET price = 7.77 WHERE id IN (1, 2)")
    connection.execute(f"UPDATE crates SET note = left(({large[0]}), 20000) WHERE id = 5", large[1])
    run(connection, "UPDATE crates SET shelf_id = 4 WHERE id = 5")
    # Back to something small: every later comparison would read it.
    run(connection, "UPDATE crates SET shelf_id = 3 WHERE id = 5")
    connection.execute("UPDATE products SET description = left(description, 10) WHERE id = 1")


def test_a_transaction_of_large_rows_goes_through_in_bounded_memory(
    shapes: Scenario, connection: Connection
) -> None:
    """Case 28: 100 MB in one transaction, about 2 MB in each row."""
    rows = connection.execute("SELECT count(*) FROM products").fetchone()
    assert rows is not None
    each = 100 * MEGABYTE // int(str(rows[0]))
    connection.execute(
        "UPDATE products SET description = product_id_text || body FROM"
        " (SELECT id AS product_id, id || ' ' AS product_id_text, string_agg(md5(id || '-' || n), '') AS body"
        " FROM products, generate_series(1, %s) n GROUP BY id) made WHERE products.id = product_id",
        (each // 32,),
    )
    shapes.assert_equal(DEADLINE)
    for daemon in shapes.pipeline.daemons:
        peak = peak_memory(daemon.pid) // MEGABYTE
        assert peak < MOST_MEGABYTES, f"{daemon.name} held {peak} MB"
    # Back to something small: every later comparison would read it.
    connection.execute("UPDATE products SET description = left(description, 10)")


def test_rows_may_change_their_keys(connection: Connection) -> None:
    """Case 33: of a root, of a child, of a junction row; and two roots that swap theirs."""
    run(connection, "UPDATE labels SET id = id + 1000 WHERE id < 5")
    run(connection, "UPDATE product_tags SET tag_id = tag_id + 0, product_id = product_id")
    run(
        connection,
        "INSERT INTO bottles VALUES (60, 1, 60), (61, 2, 61)",
    )
    run(
        connection,
        "UPDATE bottles SET id = 62 WHERE id = 60",
        "UPDATE bottles SET id = 60 WHERE id = 61",
        "UPDATE bottles SET id = 61 WHERE id = 62",
    )
    run(connection, "UPDATE bottles SET id = 63 WHERE id = 61")
    run(
        connection,
        "DELETE FROM product_tags WHERE product_id = 3",
        "INSERT INTO product_tags SELECT 3, id FROM tags WHERE id <= 2 ON CONFLICT DO NOTHING",
        "UPDATE product_tags SET tag_id = 3 WHERE product_id = 3 AND tag_id = 1",
    )


def test_rows_may_move_to_another_parent_and_back(shapes: Scenario, connection: Connection) -> None:
    """Case 34, I4: A to B, to none, back; and a parent moves with its children.

    (Shown to fail without the cure of replica identities.)
    """
    for value in ("2", "NULL", "1"):
        run(connection, f"UPDATE bottles SET crate_id = {value} WHERE id = 8")
        run(connection, f"UPDATE crates SET shelf_id = {value} WHERE id = 6")
        shapes.assert_equal(DEADLINE)


def test_what_is_deleted_goes_from_every_document(connection: Connection) -> None:
    """Cases 35, 37: a child, a junction row, a row that others belong to; cascades over three levels."""
    run(connection, "DELETE FROM labels WHERE id = 20")
    run(
        connection,
        "DELETE FROM product_tags WHERE ctid = (SELECT ctid FROM product_tags LIMIT 1)",
    )
    run(connection, "DELETE FROM crates WHERE id = 7")
    run(connection, "DELETE FROM shelves WHERE id = 4")
    run(connection, "DELETE FROM bottles WHERE id = 9")


def test_tables_of_the_same_name_in_two_schemas_are_kept_apart(
    shapes: Scenario, connection: Connection
) -> None:
    """Case 43: the same keys, in one transaction; both stand in one document."""
    run(
        connection,
        "UPDATE attic.crates SET note = 'above' WHERE id = 2",
        "UPDATE crates SET note = 'below' WHERE id = 2",
        "UPDATE attic.shelves SET title = 'above' WHERE id = 2",
        "UPDATE shelves SET name = 'below' WHERE id = 2",
    )
    run(connection, "UPDATE attic.crates SET shelf_id = 4 WHERE id = 1")
    shapes.assert_equal(DEADLINE)
    run(connection, "DELETE FROM crates WHERE id = 3", "DELETE FROM attic.crates WHERE id = 4")
    run(connection, "DELETE FROM attic.shelves WHERE id = 1")
    shapes.assert_equal(DEADLINE)
    run(connection, "TRUNCATE attic.crates", "INSERT INTO attic.crates VALUES (1, 3, 'after')")


def test_truncated_tables_are_empty(connection: Connection) -> None:
    """Case 36: a related table; a root with what depends on it; several at once; and rows written after it."""
    run(connection, "TRUNCATE labels RESTART IDENTITY")
    run(
        connection,
        "INSERT INTO bottles VALUES (70, 1, 7)",
        "TRUNCATE bottles CASCADE",
        "INSERT INTO bottles VALUES (71, 1, 7), (72, 2, 7)",
        "INSERT INTO labels VALUES (1, 71, 'after')",
    )
    run(connection, "TRUNCATE product_tags, reviews")


# --- columns --------------------------------------------------------------------------------------


def test_unused_columns_may_come_go_and_change(connection: Connection) -> None:
    """Case 39: with rows written before, in between and after; a used column may get a wider type."""
    for step, statement in enumerate(
        (
            "ALTER TABLE bottles ADD COLUMN extra int DEFAULT 7",
            "ALTER TABLE bottles RENAME COLUMN extra TO surplus",
            "ALTER TABLE bottles DROP COLUMN unused",
            "ALTER TABLE bottles ALTER COLUMN surplus TYPE text",
            "ALTER TABLE bottles ALTER COLUMN size TYPE bigint",
        )
    ):
        run(connection, f"INSERT INTO bottles (id, crate_id, size) VALUES ({80 + step}, 1, 8)")
        run(connection, statement, f"UPDATE bottles SET size = {step} WHERE id = 80")
    run(connection, "UPDATE bottles SET size = 5000000000 WHERE id = 81")


# --- partitions -----------------------------------------------------------------------------------


def test_partitioned_tables_are_followed_by_their_root(connection: Connection) -> None:
    """Case 41: rows of all partitions, and rows that move between them, of a root and of a child."""
    run(connection, "INSERT INTO boxes VALUES ('n', 20, 'new'), ('s', 20, 'new')")
    run(connection, "INSERT INTO parts VALUES (50, 'n', 20, 'new'), (150, 's', 20, 'new')")
    run(connection, "UPDATE boxes SET region = 's' WHERE region = 'n' AND id = 4")
    run(connection, "UPDATE parts SET region = 's' WHERE box_id = 4")
    run(connection, "UPDATE parts SET id = id + 100 WHERE id < 30")
    run(connection, "UPDATE parts SET box_id = 20 WHERE id IN (150, 50)")
    run(connection, "DELETE FROM boxes WHERE region = 's' AND id = 1")
    run(connection, "DELETE FROM parts WHERE id = 150")


def test_new_partitions_are_followed(shapes: Scenario, connection: Connection) -> None:
    """Case 41, I4: the first changes of a partition find it without the replica identity of the others."""
    run(
        connection,
        "CREATE TABLE boxes_e PARTITION OF boxes FOR VALUES IN ('e')",
        "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (200) TO (300)",
    )
    run(connection, "INSERT INTO boxes VALUES ('e', 1, 'east'), ('e', 2, 'east')")
    run(connection, "INSERT INTO parts VALUES (200, 'e', 1, 'east'), (201, 'e', 2, 'east')")
    run(connection, "UPDATE parts SET box_id = 2 WHERE id = 200")
    run(connection, "DELETE FROM parts WHERE id = 201")
    shapes.await_equal(DEADLINE)


def test_partitions_that_come_and_go_take_their_rows_along(
    shapes: Scenario, connection: Connection
) -> None:
    """Case 41: attached with rows, detached, truncated by itself; the log has none of these rows."""
    run(connection, "CREATE TABLE boxes_w (LIKE boxes INCLUDING ALL)")
    run(connection, "INSERT INTO boxes_w VALUES ('w', 1, 'west'), ('w', 2, 'west')")
    run(connection, "ALTER TABLE boxes ATTACH PARTITION boxes_w FOR VALUES IN ('w')")
    shapes.await_equal(DEADLINE)
    assert "w:1" in shapes.read("boxes")
    run(connection, "ALTER TABLE boxes DETACH PARTITION boxes_w")
    run(connection, "TRUNCATE boxes_e")
    shapes.await_equal(DEADLINE)
    assert "e:1" not in shapes.read("boxes")


def test_a_used_column_that_is_gone_stops_its_indexes_alone(
    shapes: Scenario, connection: Connection
) -> None:
    """Cases 39, 40: others go on, the reason is told, and when the column is back nothing was missed."""
    run(connection, "ALTER TABLE shelves RENAME COLUMN name TO title")
    run(connection, "UPDATE shelves SET title = 'renamed'")
    await_stopped(shapes, {"shelves", "bottles"}, "name")
    await_others(shapes, connection, "meanwhile")
    run(connection, "ALTER TABLE shelves RENAME COLUMN title TO name")


def test_a_link_column_that_is_gone_stops_its_indexes_alone(
    shapes: Scenario, connection: Connection
) -> None:
    """Cases 39, I4, I8: also when all processes start again meanwhile.  Rows that moved, and rows that are gone,
    while no old parent was in the log leave no trace in the end."""
    run(
        connection,
        "INSERT INTO shelves VALUES (400, 'shelf')",
        "INSERT INTO crates VALUES (400, 400, 'crate')",
        "INSERT INTO bottles SELECT n, 400, n FROM generate_series(400, 407) n",
        "INSERT INTO labels SELECT n, 400 + n % 8, 'label' FROM generate_series(400, 431) n",
    )
    shapes.assert_equal(DEADLINE)
    run(connection, "ALTER TABLE labels RENAME COLUMN bottle_id TO bottle")
    run(connection, "UPDATE labels SET bottle = 400 + (bottle + 1) % 8 WHERE id % 3 = 0")
    run(connection, "DELETE FROM labels WHERE id % 5 = 0")
    await_stopped(shapes, {"shelves"}, "bottle_id")
    await_others(shapes, connection, "before a restart")
    for daemon in shapes.pipeline.daemons:
        daemon.kill()
    run(connection, "UPDATE labels SET bottle = 400 + (bottle + 1) % 8 WHERE id % 3 = 1")
    shapes.pipeline.start()
    await_stopped(shapes, {"shelves"}, "bottle_id")
    await_others(shapes, connection, "after a restart")
    run(
        connection,
        "UPDATE labels SET bottle = 400 + (bottle + 3) % 8, text = 'moved' WHERE id % 7 = 0",
    )
    run(connection, "ALTER TABLE labels RENAME COLUMN bottle TO bottle_id")
    shapes.await_equal(DEADLINE)


def test_a_primary_key_that_is_gone_stops_no_other_index(
    shapes: Scenario, connection: Connection
) -> None:
    """Cases 39, 45, I8: what is written meanwhile has no name in the log; it is found when there is a key again."""
    capture = shapes.pipeline.daemons[0]
    run(
        connection,
        "INSERT INTO attic.shelves VALUES (400, 'shelf'), (401, 'shelf')",
        "INSERT INTO attic.crates VALUES (402, 400, 'crate'), (403, 400, 'crate')",
    )
    shapes.assert_equal(DEADLINE)
    run(
        connection,
        "ALTER TABLE attic.crates DROP CONSTRAINT crates_pkey",
        "ALTER TABLE attic.crates RENAME COLUMN id TO number",
    )
    run(connection, "UPDATE attic.crates SET note = 'unnamed', shelf_id = 401 WHERE number = 402")
    run(connection, "DELETE FROM attic.crates WHERE number = 403")
    capture.await_log("table attic.crates lacks a primary key", DEADLINE)
    await_others(shapes, connection, "without a key")
    run(
        connection,
        "ALTER TABLE attic.crates RENAME COLUMN number TO id",
        "ALTER TABLE attic.crates ADD PRIMARY KEY (id)",
    )
    shapes.await_equal(DEADLINE)


def test_partitions_that_are_not_logged_stop_the_indexes_over_their_table_alone(
    shapes: Scenario, connection: Connection
) -> None:
    """Cases 39, 41, I8: one that is attached, and one that is made unlogged.  Rows that were written meanwhile, and rows
    that are gone, are found once it is logged again or detached.  (Shown to fail without the persistence in the digest.)

    Postgres itself refuses foreign partitions: a table that is followed has a primary key.
    """
    run(connection, "CREATE UNLOGGED TABLE boxes_u (LIKE boxes INCLUDING ALL)")
    run(connection, "INSERT INTO boxes_u VALUES ('u', 1, 'first'), ('u', 2, 'first')")
    run(connection, "ALTER TABLE boxes ATTACH PARTITION boxes_u FOR VALUES IN ('u')")
    told = "changes of some partitions of table `public.boxes` are not in the write-ahead log: `public.boxes_u` is unlogged"
    await_stopped(shapes, {"boxes"}, told)
    shapes.pipeline.daemons[0].await_log(told, DEADLINE)
    await_others(shapes, connection, "while a partition is attached", "shelves", "name")
    run(connection, "UPDATE boxes SET note = 'second' WHERE id = 1")
    run(connection, "ALTER TABLE boxes_u SET LOGGED")
    shapes.await_equal(DEADLINE)
    assert shapes.read("boxes")["u:1"]["note"] == "second"
    run(connection, "ALTER TABLE boxes_u SET UNLOGGED")
    await_stopped(shapes, {"boxes"}, told)
    await_others(shapes, connection, "while a partition is unlogged", "shelves", "name")
    run(connection, "DELETE FROM boxes WHERE region = 'u' AND id = 1")
    for daemon in shapes.pipeline.daemons:
        daemon.kill()
    shapes.pipeline.start()
    await_stopped(shapes, {"boxes"}, told)
    run(connection, "ALTER TABLE boxes DETACH PARTITION boxes_u")
    shapes.await_equal(DEADLINE)
    assert "u:2" not in shapes.read("boxes")


def test_a_partition_with_a_foreign_table_cannot_be_attached(connection: Connection) -> None:
    """Case 41: nor can a table that has one get the primary key without which it is not followed."""
    run(
        connection,
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE far (region text NOT NULL, id int NOT NULL, note text) SERVER files OPTIONS (filename '/dev/null')",
        "CREATE TABLE wide (region text NOT NULL, id int NOT NULL, note text) PARTITION BY LIST (region)",
    )
    with pytest.raises(psycopg.errors.WrongObjectType, match="as partition of partitioned table"):
        run(connection, "ALTER TABLE boxes ATTACH PARTITION far FOR VALUES IN ('f')")
    run(connection, "ALTER TABLE wide ATTACH PARTITION far FOR VALUES IN ('f')")
    with pytest.raises(psycopg.errors.WrongObjectType, match="unique index"):
        run(connection, "ALTER TABLE wide ADD PRIMARY KEY (region, id)")


def await_stopped(shapes: Scenario, stopped: set[str], reason: str) -> None:
    """Wait until these indexes, and no others, have stopped, for `reason`."""
    indexes = shapes.site.indexes
    wanted = {name: "stopped" if name in stopped else "seeded" for name in indexes}

    def missing() -> str | None:
        shapes.pipeline.check()
        status = shapes.pipeline.daemons[-1].status()
        states = {name: status["indexes"].get(name) for name in indexes}
        told = reason in str(status["last_error"])
        return None if states == wanted and told else f"{states}, {status['last_error']}"

    until_none("they stop", missing, DEADLINE)


def await_others(
    shapes: Scenario,
    connection: Connection,
    note: str,
    index: str = "boxes",
    column: str = "note",
) -> None:
    """Wait until a change of a table that nothing is wrong with is found in its documents."""
    run(connection, f"UPDATE {index} SET {column} = '{note}'")

    def missing() -> str | None:
        shapes.pipeline.check()
        found = {document[column] for document in shapes.read(index).values()}
        return None if found == {note} else str(found)

    until_none("others go on", missing, DEADLINE)
