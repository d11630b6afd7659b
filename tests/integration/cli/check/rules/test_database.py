"""What `flusso check` says of tables, rights, indexes, replica identity, publication and slot."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from flusso_cli.check.output.json_report import document
from services import Services
from support import names
from support.documents import run
from support.kits.check_kit import (
    STORE,
    checked,
    only,
    role,
    things,
    told,
)
from support.stores.dev import ROOT

pytestmark = pytest.mark.services


@pytest.mark.parametrize(
    ("statement", "expected", "sql"),
    [
        (
            "ALTER TABLE parts DROP CONSTRAINT parts_pkey",
            ("error", "no-primary-key", "things.n"),
            "",
        ),
        (
            "ALTER TABLE parts SET UNLOGGED",
            ("error", "not-logged", "things.n"),
            'ALTER TABLE "public"."parts" SET LOGGED;',
        ),
        (
            "CREATE TABLE spare_parts (price int) INHERITS (parts)",
            ("error", "inheritance", "things.n"),
            'ALTER TABLE "public"."spare_parts" NO INHERIT "public"."parts";',
        ),
        (
            "CREATE PUBLICATION flusso_check FOR TABLE parts (id, label)",
            ("error", "publication-restricted", "table public.parts"),
            'ALTER PUBLICATION "flusso_check" DROP TABLE "public"."parts"; ALTER PUBLICATION'
            ' "flusso_check" ADD TABLE "public"."parts";',
        ),
        (
            "CREATE PUBLICATION flusso_check FOR TABLE parts WHERE (id > 3)",
            ("error", "publication-restricted", "table public.parts"),
            'ALTER PUBLICATION "flusso_check" DROP TABLE "public"."parts"; ALTER PUBLICATION'
            ' "flusso_check" ADD TABLE "public"."parts";',
        ),
        (
            "DROP INDEX parts_thing_id_idx",
            ("warning", "missing-index", "things.n"),
            'CREATE INDEX CONCURRENTLY "parts_thing_id_idx" ON "public"."parts" ("thing_id");',
        ),
    ],
)
def test_an_unsuitable_table(
    database: str, tmp_path: Path, statement: str, expected: tuple[str, str, str], sql: str
) -> None:
    run(database, *STORE, statement)
    report = checked(
        tmp_path, database, things("{ count: n, table: parts, foreign_key: thing_id }")
    )
    assert told(report) == [expected]
    assert "".join(only(report, expected[1]).sql) == sql


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("CREATE VIEW things AS SELECT 1 AS id", "a view"),
        ("CREATE MATERIALIZED VIEW things AS SELECT 1 AS id", "a materialized view"),
        ("CREATE FOREIGN TABLE things (id int) SERVER nowhere", "a foreign table"),
    ],
)
def test_a_root_that_is_no_table(database: str, tmp_path: Path, statement: str, kind: str) -> None:
    run(
        database,
        "CREATE FOREIGN DATA WRAPPER nothing",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
        statement,
    )
    report = checked(tmp_path, database, things("{ long: id }"), "{ table: things, fields: [] }")
    assert told(report) == [
        ("error", "not-a-table", "things"),
        ("error", "not-a-table", "things2"),
    ]
    assert f"is {kind}:" in report.diagnostics[0].message


def test_a_partitioned_table_in_a_schema_that_may_not_be_used(
    database: str, tmp_path: Path, slot_name: str
) -> None:
    run(
        database,
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.things (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE shop.few PARTITION OF shop.things FOR VALUES FROM (0) TO (10)",
    )
    with role(database, slot_name, "REPLICATION") as url:
        report = checked(tmp_path, url, "{ table: things, schema: shop, fields: [] }")
    assert told(report) == [("error", "not-readable", "table shop.things")]


def test_a_partition_beside_its_table(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE few PARTITION OF things FOR VALUES FROM (0) TO (10)",
    )
    few = "{ table: few, primary_key: id, fields: [] }"
    assert told(checked(tmp_path, database, few)) == []
    both = checked(tmp_path, database, things(), few)
    assert told(both) == [("error", "partition", "table public.few")]
    assert "public.things" in only(both, "partition").message


def test_a_role_without_rights(database: str, tmp_path: Path, slot_name: str) -> None:
    run(database, *STORE, "CREATE TABLE shop.things (id int PRIMARY KEY)")
    with role(database, slot_name) as url:
        run(database, f"GRANT SELECT ON things TO {slot_name}")
        report = checked(
            tmp_path,
            url,
            things("{ count: n, table: parts, foreign_key: thing_id }"),
            "{ table: things, schema: shop, primary_key: id, fields: [] }",
        )
    assert told(report) == [
        ("error", "replication-role", "server"),
        ("error", "not-readable", "table public.parts"),
        ("error", "not-readable", "table shop.things"),
        ("error", "replica-identity", "table public.parts"),
    ]
    statements = [" ".join(item.sql) for item in report.diagnostics]
    assert f'ALTER ROLE "{slot_name}" REPLICATION;' in statements[0]
    assert statements[1] == f'GRANT SELECT ON "public"."parts" TO "{slot_name}";'
    assert statements[2] == (
        f'GRANT USAGE ON SCHEMA "shop" TO "{slot_name}"; GRANT SELECT ON "shop"."things" TO "{slot_name}";'
    )
    found = report.coverage
    assert found is not None
    assert not found.manageable
    assert f"role {slot_name} may not CREATE in this database" in found.blockers
    assert "table public.parts belongs to another role" in found.blockers


def test_row_security_that_applies(database: str, tmp_path: Path, slot_name: str) -> None:
    run(database, *STORE, "ALTER TABLE parts ENABLE ROW LEVEL SECURITY")
    text = things("{ count: n, table: parts, foreign_key: thing_id }")
    run(database, "ALTER TABLE parts REPLICA IDENTITY FULL")
    assert told(checked(tmp_path, database, text)) == []  # a superuser sees every row
    with role(database, slot_name, "REPLICATION") as url:
        run(database, f"GRANT SELECT ON things, parts TO {slot_name}")
        report = checked(tmp_path, url, text)
        assert told(report) == [("error", "row-security", "table public.parts")]
        (cure,) = only(report, "row-security").sql
        run(database, cure)
        assert told(checked(tmp_path, url, text)) == []


def test_a_function_that_the_role_may_not_call(
    database: str, tmp_path: Path, slot_name: str
) -> None:
    run(
        database,
        *STORE,
        "CREATE FUNCTION secret(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "REVOKE EXECUTE ON FUNCTION secret(int) FROM PUBLIC",
    )
    text = things(more='\n    filters: [{ raw: "secret(id)" }]')
    with role(database, slot_name, "REPLICATION") as url:
        run(database, f"GRANT SELECT ON things TO {slot_name}")
        report = checked(tmp_path, url, text)
    assert told(report) == [("error", "statement", "things.filters")]
    assert "permission denied for function secret" in only(report, "statement").message


def test_a_filter_that_writes(database: str, tmp_path: Path) -> None:
    run(
        database,
        *STORE,
        "CREATE SEQUENCE looks",
        "INSERT INTO things (id, owner_id, state) VALUES (1, 1, 'new')",
    )
    report = checked(
        tmp_path, database, things(more="\n    filters: [{ raw: \"nextval('looks') > 0\" }]")
    )
    assert told(report) == [("error", "statement", "things.filters")]
    assert "read-only transaction" in only(report, "statement").message


def test_a_row_that_cannot_be_built_is_reported_without_its_values(
    database: str, tmp_path: Path
) -> None:
    run(
        database,
        *STORE,
        "INSERT INTO things (id, owner_id, state, name) VALUES (1, 1, 'new', 'hidden')",
    )
    text = things(
        "{ count: n, table: parts, foreign_key: thing_id }",
        more='\n    filters: [{ raw: "name::int > 0" }]',
    )
    report = checked(tmp_path, database, text)
    assert told(report) == [("warning", "row-refused", "things.filters")]
    assert "invalid input syntax" in only(report, "row-refused").message
    assert "hidden" not in repr(report.diagnostics)


# --- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "serves"),
    [
        ("CREATE INDEX ON parts (thing_id, label)", True),
        ("CREATE INDEX ON parts (label, thing_id)", False),
        ("CREATE INDEX ON parts USING hash (thing_id)", True),
        ("CREATE INDEX ON parts USING brin (thing_id)", False),
        ("CREATE INDEX ON parts (thing_id) WHERE label IS NOT NULL", False),
        ("CREATE INDEX ON parts (abs(thing_id))", False),
        ("CREATE INDEX ON parts (label) INCLUDE (thing_id)", False),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'parts_thing_id_idx'::regclass",
            False,
        ),
    ],
)
def test_only_an_index_that_finds_the_rows_counts(
    database: str, tmp_path: Path, index: str, serves: bool
) -> None:
    drop = () if "pg_index" in index else ("DROP INDEX parts_thing_id_idx",)
    run(database, *STORE, *drop, index)
    report = checked(
        tmp_path, database, things("{ count: n, table: parts, foreign_key: thing_id }")
    )
    assert told(report) == ([] if serves else [("warning", "missing-index", "things.n")])
    run(database, *[statement for item in report.diagnostics for statement in item.sql])
    again = checked(tmp_path, database, things("{ count: n, table: parts, foreign_key: thing_id }"))
    assert told(again) == []


def test_every_lookup_without_an_index_is_reported_once(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, owner_id int)",
        "CREATE TABLE owners (id int PRIMARY KEY)",
        "CREATE TABLE parts (id int PRIMARY KEY, thing_id int) PARTITION BY RANGE (id)",
        "CREATE TABLE tags (id int PRIMARY KEY)",
        "CREATE TABLE thing_tags (id int PRIMARY KEY, thing_id int, tag_id int)",
    )
    text = things(
        "{ belongs_to: owner, column: owner_id, table: owners, primary_key: id, fields: [] }",
        "{ count: n, table: parts, foreign_key: thing_id }",
        "{ ids: ps, table: parts, foreign_key: thing_id, element_type: integer }",
        "{ many_to_many: tags, table: tags, primary_key: id, fields: [],"
        " through: { table: thing_tags, left_key: thing_id, right_key: tag_id } }",
    )
    report = checked(tmp_path, database, text)
    found = {item.where: item.sql for item in report.diagnostics if item.rule == "missing-index"}
    statements = [item.sql[0] for item in report.diagnostics if item.rule == "missing-index"]
    assert sorted(statements) == [
        'CREATE INDEX "parts_thing_id_idx" ON "public"."parts" ("thing_id");',
        'CREATE INDEX CONCURRENTLY "thing_tags_tag_id_idx" ON "public"."thing_tags" ("tag_id");',
        'CREATE INDEX CONCURRENTLY "thing_tags_thing_id_idx" ON "public"."thing_tags" ("thing_id");',
        'CREATE INDEX CONCURRENTLY "things_owner_id_idx" ON "public"."things" ("owner_id");',
    ]
    assert found.keys() == {"things.owner", "things.n", "things.tags"}
    run(database, *statements)
    assert told(checked(tmp_path, database, text)) == []


def test_replica_identity_has_two_cures_that_work(database: str, tmp_path: Path) -> None:
    run(database, *STORE, "ALTER TABLE parts ALTER thing_id SET NOT NULL")
    text = things("{ count: n, table: parts, foreign_key: thing_id }")
    managed = checked(tmp_path, database, text)
    assert told(managed) == []
    assert managed.identity is not None
    (shortfall,) = managed.identity
    assert (str(shortfall.table), shortfall.missing) == ("public.parts", ("thing_id",))
    assert shortfall.will_manage
    by_hand = checked(tmp_path, database, text, manage=False)
    assert told(by_hand) == [("error", "replica-identity", "table public.parts")]
    for cure in only(by_hand, "replica-identity").sql:
        run(database, "DROP INDEX IF EXISTS parts_replica_identity", *cure.split("; "))
        assert told(checked(tmp_path, database, text, manage=False)) == []
        run(database, "ALTER TABLE parts REPLICA IDENTITY DEFAULT")


OF_THE_SERVER = ("replication-role", "publication-restricted", "coverage")
"""What no line of a schema file is to blame for."""


def test_every_printed_statement_runs_and_its_finding_is_gone(
    database: str, tmp_path: Path, slot_name: str
) -> None:
    """Names that need quotes, names that are taken, columns that may be NULL."""
    run(
        database,
        *STORE,
        "DROP INDEX parts_thing_id_idx",
        "CREATE INDEX ON parts (thing_id) WHERE label IS NOT NULL",
        'CREATE SCHEMA "Odd ""Shop"',
        'CREATE UNLOGGED TABLE "Odd ""Shop"."Big Box" ("Box Id" int PRIMARY KEY, "Thing" int NOT NULL)',
        "CREATE TABLE boxes (id int PRIMARY KEY, thing_id int NOT NULL)",
        "CREATE INDEX ON boxes (thing_id)",
        "CREATE UNIQUE INDEX boxes_id ON boxes (id, thing_id)",
        "CREATE TABLE halves (id int PRIMARY KEY, thing_id int NOT NULL) PARTITION BY RANGE (id)",
        "CREATE TABLE halves_1 PARTITION OF halves DEFAULT",
        "CREATE INDEX ON halves (thing_id)",
        "ALTER TABLE parts ENABLE ROW LEVEL SECURITY",
        "CREATE PUBLICATION flusso_check FOR TABLE boxes (id)",
    )
    text = things(
        "{ count: n, table: parts, foreign_key: thing_id }",
        "{ count: boxes, table: boxes, foreign_key: thing_id }",
        "{ count: halves, table: halves, foreign_key: thing_id }",
        "{ count: odd, table: Big Box, schema: 'Odd \"Shop', foreign_key: Thing }",
    )
    with role(database, slot_name) as url:

        def look() -> dict[str, list[str]]:
            found = document(checked(tmp_path, url, text, manage=False))
            printed: dict[str, list[str]] = {}
            for item in found["diagnostics"]:
                finding = f"{item['rule']} {item['subject'] or item['field']}"
                printed[finding] = item["sql"]
                lines[finding] = item["line"]
            for number, statement in enumerate(found["coverage"]["remediation"]):
                printed[f"coverage {number}"] = [statement]
            return printed

        met: set[str] = set()
        lines: dict[str, int | None] = defaultdict(lambda: None)
        # What the role may not read is judged only once it may.
        for _ in range(3):
            for finding, statements in look().items():
                met.add(finding.split()[0])
                assert statements, finding
                assert lines[finding] or finding.split()[0] in OF_THE_SERVER, finding
                with psycopg.connect(database, autocommit=True) as connection:
                    connection.execute(statements[0].encode())
        assert look() == {}
    assert met == {
        "replication-role",
        "not-readable",
        "row-security",
        "not-logged",
        "missing-index",
        "replica-identity",
        "publication-restricted",
        "coverage",
    }


# --- the publication and the slot ---------------------------------------------------------------


def test_coverage_and_its_remedy(database: str, tmp_path: Path) -> None:
    run(database, *STORE, "CREATE PUBLICATION flusso_check FOR TABLE things")
    text = things("{ count: n, table: parts, foreign_key: thing_id }")
    before = checked(tmp_path, database, text).coverage
    assert before is not None
    assert (before.satisfied, before.manageable, before.will_manage) == (False, True, True)
    assert [str(table) for table in before.missing] == ["public.parts"]
    assert before.remediation == ('ALTER PUBLICATION "flusso_check" ADD TABLE "public"."parts";',)
    run(database, *before.remediation)
    after = checked(tmp_path, database, text, manage=False).coverage
    assert after is not None
    assert (after.satisfied, after.will_manage, after.missing) == (True, False, ())


def test_all_tables_and_other_options(database: str, tmp_path: Path) -> None:
    run(
        database,
        *STORE,
        "CREATE PUBLICATION flusso_check FOR ALL TABLES WITH (publish = 'insert, update')",
    )
    found = checked(tmp_path, database, things()).coverage
    assert found is not None
    assert not found.satisfied
    assert found.missing == ()
    run(database, *found.remediation)
    again = checked(tmp_path, database, things()).coverage
    assert again is not None
    assert again.satisfied


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        ("pg_create_physical_replication_slot(%s)", "physical with plugin none"),
        (
            "pg_create_logical_replication_slot(%s, 'test_decoding')",
            "logical with plugin test_decoding",
        ),
    ],
)
def test_a_slot_of_another_kind_is_dropped_by_what_is_printed(
    database: str, tmp_path: Path, slot_name: str, make: LiteralString, kind: str
) -> None:
    run(database, "CREATE TABLE things (id int PRIMARY KEY)")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT " + make, (slot_name,))
        try:
            report = checked(tmp_path, database, things(), slot=slot_name)
            assert told(report) == [("error", "foreign-slot", f"slot {slot_name}")]
            assert f"is {kind}, not pgoutput" in report.diagnostics[0].message
            run(database, *report.diagnostics[0].sql)
            assert told(checked(tmp_path, database, things(), slot=slot_name)) == []
        finally:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE slot_name = %s",
                (slot_name,),
            )


def test_a_slot_of_another_database_is_left_alone(
    database: str, services: Services, tmp_path: Path, slot_name: str
) -> None:
    run(database, "CREATE TABLE things (id int PRIMARY KEY)")
    with names.database(services) as other:
        run(other, f"SELECT pg_create_logical_replication_slot('{slot_name}', 'pgoutput')")
        report = checked(tmp_path, database, things(), slot=slot_name)
        assert told(report) == [("error", "foreign-slot", f"slot {slot_name}")]
        found = report.diagnostics[0]
        assert found.sql == ()
        assert "another name with --slot" in found.cure
        assert told(checked(tmp_path, database, things(), slot=f"{slot_name}_own")) == []


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    url = "postgresql://me:hidden@127.0.0.1:1/nothing"
    report = checked(tmp_path, url, things())
    assert told(report) == [("error", "connection", "database")]
    assert "127.0.0.1" in only(report, "connection").message
    assert "hidden" not in repr(report.diagnostics)


def test_nothing_is_changed(database: str, tmp_path: Path) -> None:
    run(database, *STORE)
    with psycopg.connect(database, autocommit=True) as connection:
        # Whatever writes takes a transaction id; the database is this test's own.
        count = "SELECT xact_commit >= 0, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = current_database()"
        connection.execute("SELECT pg_stat_force_next_flush()")
        before = connection.execute(count).fetchone()
        checked(
            tmp_path,
            database,
            things("{ text: name }", "{ count: n, table: parts, foreign_key: thing_id }"),
            things("{ text: nam }"),
        )
        connection.execute("SELECT pg_stat_clear_snapshot()")
        after = connection.execute(count).fetchone()
        tables = connection.execute("SELECT pubname FROM pg_publication").fetchall()
    assert before == after
    assert tables == []


def test_the_example_store_is_right(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute((ROOT / "dev" / "sql" / "01_schema.sql").read_bytes())
    schemas = [path.read_text() for path in sorted((ROOT / "dev" / "schemas").glob("*.yml"))]
    report = checked(tmp_path, database, *schemas)
    assert told(report, "narrow-result") == []
