"""Relations and aggregates of the document SQL on a real server, composite keys and odd names included."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.connection import connect
from flusso_worker.sql.document import compose
from flusso_worker.sql.parameters import array_literal
from support.documents import built, plan_of, run

pytestmark = pytest.mark.services


def documents(url: str, folder: Path, schema: str) -> dict[str, Any]:
    return built(url, plan_of(folder, schema))


LIBRARY = (
    "CREATE TABLE publisher (id int PRIMARY KEY, name text)",
    "CREATE TABLE title (id int PRIMARY KEY, name text, publisher_id int, sequel_of int)",
    "CREATE TABLE subject (id int PRIMARY KEY, label text, shown bool)",
    "CREATE TABLE title_subject (title_id int, subject_id int, PRIMARY KEY (title_id, subject_id))",
    "CREATE TABLE copy (id int PRIMARY KEY, title_id int, state text, price numeric(8,2), cost money,"
    " bought date, shelf char(4))",
    "INSERT INTO publisher VALUES (1, 'Ink'), (2, 'Quill')",
    "INSERT INTO title VALUES (1, 'One', 1, NULL), (2, 'Two', 2, 1), (3, 'Three', NULL, 1), (4, 'Four', 9, 3)",
    "INSERT INTO subject VALUES (1, 'b', true), (2, 'a', true), (3, 'c', false)",
    "INSERT INTO title_subject VALUES (1, 1), (1, 2), (1, 3), (2, 1)",
    "INSERT INTO copy VALUES (1, 1, 'new', 2.50, 1.5, '2024-01-01', 'B'), (2, 1, 'lost', NULL, 2, '2023-01-01', 'A'),"
    " (3, 1, 'new', 1.25, 3, NULL, NULL), (4, 2, 'lost', 9, 4, '2022-01-01', 'C')",
)


def test_related_rows_nest_in_order(database: str, tmp_path: Path) -> None:
    run(database, *LIBRARY)
    schema = """
        table: title
        primary_key: id
        fields:
          - keyword: name
          - object: house
            fields:
              - belongs_to: publisher
                column: publisher_id
                table: publisher
                primary_key: id
                fields: [{ keyword: name }]
          - many_to_many: subjects
            table: subject
            primary_key: id
            through: { table: title_subject, left_key: title_id, right_key: subject_id }
            filters: [{ column: shown, op: eq, value: true }]
            order_by: [{ column: label }]
            fields:
              - { keyword: label }
              - many_to_many: titles
                table: title
                primary_key: id
                through: { table: title_subject, left_key: subject_id, right_key: title_id }
                order_by: [{ column: id, direction: desc }]
                limit: 1
                fields: [{ keyword: name }]
          - has_many: sequels
            table: title
            primary_key: id
            foreign_key: sequel_of
            order_by: [{ column: name, direction: desc }]
            limit: 1
            fields:
              - { keyword: name }
              - { count: sequelCount, table: title, foreign_key: sequel_of }
          - has_one: oldest
            table: copy
            primary_key: id
            foreign_key: title_id
            order_by: [{ column: bought }]
            fields: [{ integer: id }]
          - { has_many: copies, table: copy, primary_key: id, foreign_key: title_id, fields: [] }
        """
    found = documents(database, tmp_path, schema)
    assert found["1"] == {
        "name": "One",
        "house": {"publisher": {"name": "Ink"}},
        "subjects": [
            {"label": "a", "titles": [{"name": "One"}]},
            {"label": "b", "titles": [{"name": "Two"}]},
        ],
        "sequels": [{"name": "Two", "sequelCount": 0}],
        "oldest": {"id": 2},
        "copies": [{}, {}, {}],
    }
    assert found["3"]["sequels"] == [{"name": "Four", "sequelCount": 0}]
    assert found["4"] == {
        "name": "Four",
        "house": {"publisher": None},
        "subjects": [],
        "sequels": [],
        "oldest": None,
        "copies": [],
    }


def test_every_aggregate_over_all_some_and_no_rows(database: str, tmp_path: Path) -> None:
    run(database, *LIBRARY)
    lost = "filters: [{ column: state, op: eq, value: lost }]"
    through = "through: { table: title_subject, left_key: title_id, right_key: subject_id }"
    schema = f"""
        table: title
        primary_key: id
        fields:
          - {{ count: copies, table: copy, foreign_key: title_id }}
          - {{ count: lost, table: copy, foreign_key: title_id, {lost} }}
          - {{ count: rawLost, table: copy, foreign_key: title_id, filters: [{{ raw: state = 'lost' }}] }}
          - {{ sum: price, table: copy, foreign_key: title_id, column: price, value_type: decimal }}
          - {{ sum: lostPrice, table: copy, foreign_key: title_id, column: price, value_type: decimal, {lost} }}
          - {{ sum: cost, table: copy, foreign_key: title_id, column: cost, value_type: decimal }}
          - {{ avg: average, table: copy, foreign_key: title_id, column: price }}
          - {{ min: first, table: copy, foreign_key: title_id, column: bought, value_type: date }}
          - {{ max: last, table: copy, foreign_key: title_id, column: bought, value_type: date }}
          - {{ max: shelf, table: copy, foreign_key: title_id, column: shelf, value_type: keyword }}
          - {{ ids: ids, table: copy, foreign_key: title_id, element_type: integer }}
          - {{ ids: subjects, table: subject, {through}, element_type: integer }}
          - ids: shown
            table: subject
            {through}
            element_type: integer
            filters: [{{ column: shown, op: eq, value: true }}]
          - {{ count: subjectCount, table: subject, {through} }}
          - {{ max: lastSubject, table: subject, {through}, column: label, value_type: keyword }}
        """
    found = documents(database, tmp_path, schema)
    assert found["1"] == {
        "copies": 3,
        "lost": 1,
        "rawLost": 1,
        "price": Decimal("3.75"),
        "lostPrice": None,
        "cost": Decimal("6.50"),
        "average": Decimal("1.875"),
        "first": "2023-01-01",
        "last": "2024-01-01",
        "shelf": "B",
        "ids": [1, 2, 3],
        "subjects": [1, 2, 3],
        "shown": [1, 2],
        "subjectCount": 3,
        "lastSubject": "c",
    }
    assert found["4"] == {
        "copies": 0,
        "lost": 0,
        "rawLost": 0,
        "price": None,
        "lostPrice": None,
        "cost": None,
        "average": None,
        "first": None,
        "last": None,
        "shelf": None,
        "ids": [],
        "subjects": [],
        "shown": [],
        "subjectCount": 0,
        "lastSubject": None,
    }


def test_composite_keys_join_relate_and_name_documents(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE SCHEMA air",
        "CREATE TABLE air.flight (day date, number varchar(8), PRIMARY KEY (day, number))",
        "CREATE TABLE air.seat (id int PRIMARY KEY, number varchar(8), day date, place char(3))",
        "CREATE TABLE crew (country char(2), no int, name text, PRIMARY KEY (country, no))",
        "CREATE TABLE air.duty (number varchar(8), day date, country char(2), no int, PRIMARY KEY (number, day, no))",
        "INSERT INTO air.flight VALUES ('2024-01-01', 'A:1'), ('2024-01-02', 'A:1')",
        "INSERT INTO air.seat VALUES (1, 'A:1', '2024-01-01', '1A'), (2, 'A:1', '2024-01-02', '1B')",
        "INSERT INTO crew VALUES ('N', 1, 'Ann'), ('DE', 2, 'Bo')",
        "INSERT INTO air.duty VALUES ('A:1', '2024-01-01', 'N', 1), ('A:1', '2024-01-01', 'DE', 2)",
    )
    keys = "left_key: [number, day], right_key: [country, no]"
    schema = f"""
        schema: air
        table: flight
        primary_key: [number, day]
        fields:
          - {{ date: day }}
          - has_many: seats
            table: seat
            primary_key: id
            foreign_key: [number, day]
            fields: [{{ keyword: place }}]
          - many_to_many: crew
            schema: public
            table: crew
            primary_key: [country, no]
            through: {{ schema: air, table: duty, {keys} }}
            order_by: [{{ column: no }}]
            fields: [{{ keyword: name }}]
          - ids: crewIds
            schema: public
            table: crew
            element_type: keyword
            through: {{ schema: air, table: duty, {keys} }}
        """
    assert documents(database, tmp_path, schema) == {
        "A:1:2024-01-01": {
            "day": "2024-01-01",
            "seats": [{"place": "1A"}],
            "crew": [{"name": "Ann"}, {"name": "Bo"}],
            "crewIds": ["DE:2", "N:1"],
        },
        "A:1:2024-01-02": {
            "day": "2024-01-02",
            "seats": [{"place": "1B"}],
            "crew": [],
            "crewIds": [],
        },
    }


def test_quoted_names_are_used_exactly(database: str, tmp_path: Path) -> None:
    run(
        database,
        'CREATE SCHEMA "Odd ""One"',
        'CREATE TABLE "Odd ""One"."Order Items" ("select" int PRIMARY KEY, "Größe %s {}" text, "o" int)',
        """INSERT INTO "Odd ""One"."Order Items" VALUES (1, 'x', 3)""",
    )
    schema = """
        schema: '"Odd ""One"'
        table: '"Order Items"'
        primary_key: select
        filters: [{ column: '"Größe %s {}"', op: eq, value: x }]
        fields:
          - { keyword: size, column: '"Größe %s {}"' }
          - { integer: o }
          - { has_many: same, table: '"Order Items"', primary_key: '"select"', foreign_key: o, fields: [] }
        """
    assert documents(database, tmp_path, schema) == {"1": {"size": "x", "o": 3, "same": []}}


KEYS = [
    ("bigint", "9007199254740993"),
    ("text", "a\"b\\c,{d} e'f"),
    ("text", ""),
    ("text", "NULL"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("char(4)", "ab"),
    ("bpchar", "ab"),
    ("boolean", "t"),
    ("flag", "f"),
    ("mood", "so so"),
    ("date", "2024-02-03"),
    ("timestamptz", "2024-02-03 04:05:06.7+02"),
    ("numeric", "1.50"),
    ("bytea", "\\x00ff"),
    ("padded", "x"),
    ("interval", "1 day"),
]


@pytest.mark.parametrize(("type_", "value"), KEYS)
@pytest.mark.parametrize("composite", [False, True])
def test_the_logs_key_finds_the_row_and_gives_its_id(
    database: str, tmp_path: Path, type_: str, value: str, composite: bool
) -> None:
    """The log prints values with the output functions of their types, as `format` does."""
    key = "key, second" if composite else "key"
    run(
        database,
        "CREATE TYPE mood AS ENUM ('fine', 'so so')",
        "CREATE DOMAIN padded AS char(4)",
        "CREATE DOMAIN flag AS boolean",
        f"CREATE TABLE things (key {type_}, second int DEFAULT 7, PRIMARY KEY ({key}))",
    )
    plan = plan_of(tmp_path, "table: things\nfields: [{ keyword: key }]")
    with connect(database, "flusso-test") as connection:
        connection.execute("INSERT INTO things VALUES (%s)", (value,))
        logged = connection.execute("SELECT format('%s', key), second::text FROM things").fetchone()
        sql = compose(plan, read_catalog(connection, plan.tables))
        assert logged is not None
        parameters = [array_literal([item]) for item in (logged if composite else logged[:1])]
        result = connection.pgconn.exec_params(sql.build, parameters)
        assert result.ntuples == 1, result.error_message
        document_id = (result.get_value(0, 0) or b"").decode()
    assert sql.id_of(logged if composite else logged[:1]) == document_id
