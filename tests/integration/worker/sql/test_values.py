"""Values with more than one conversion: defaults, transforms, aggregates, equal keys, nested arrays."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.metrics import Metrics
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.documents.build import Builder
from flusso_worker.postgres.database import Database
from flusso_worker.sql.document import compose
from support.documents import built, plan_of, run
from support.expected.json_casts import SHAPES
from support.kits.own_database import OwnDatabase

pytestmark = pytest.mark.services


@contextmanager
def building(url: str, folder: Path, schema: str) -> Iterator[tuple[Database, Builder]]:
    plan = plan_of(folder, schema)
    database = OwnDatabase(url, "test", SystemClock(threading.Event()))
    try:
        catalog = read_catalog(database.connection(), plan.tables)
        yield database, Builder(compose(plan, catalog), Metrics())
    finally:
        database.close()


def test_aggregates_compare_values_and_show_json(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY)",
        "CREATE TABLE parts (key bytea PRIMARY KEY, thing int, day date, cost money, code char(4),"
        " raw bytea, days date[])",
        "INSERT INTO things VALUES (1), (2)",
        "INSERT INTO parts VALUES"
        " ('\\x7e', 1, '0044-03-15 BC', 5, 'b', '\\xfe', '{10000-01-01}'),"
        " ('\\x01', 1, '9999-12-31', -20, 'a', '\\x00', '{2024-01-01}'),"
        " ('\\x02', 1, '10000-01-01', 3, 'b', '\\xfe', NULL)",
    )
    schema = """
        table: things
        primary_key: id
        fields:
          - min: first
            {of}
            column: day
            value_type: date
          - max: last
            {of}
            column: day
            value_type: date
            filters: [{{column: cost, op: gt, value: 0}}]
          - max: lastDays
            {of}
            column: days
            value_type: date
          - sum: cost
            {of}
            column: cost
            value_type: decimal
          - min: lowest
            {of}
            column: cost
            value_type: decimal
          - ids: keys
            {of}
            element_type: binary
          - values: codes
            {of}
            column: code
            element_type: keyword
            distinct: true
          - values: raws
            {of}
            column: raw
            element_type: binary
            distinct: true
          - values: days
            {of}
            column: day
            element_type: date
            order_by: [{{column: day}}]
    """.format(of="table: parts\n            foreign_key: thing")
    documents = built(database, plan_of(tmp_path, schema))
    assert documents["1"] == {
        "first": "-0043-03-15",
        "last": "+10000-01-01",
        "lastDays": ["+10000-01-01"],
        "cost": Decimal("-12.00"),
        "lowest": Decimal("-20.00"),
        "keys": ["AQ==", "Ag==", "fg=="],
        "codes": ["a", "b"],
        "raws": ["AA==", "/g=="],
        "days": ["-0043-03-15", "9999-12-31", "+10000-01-01"],
    }
    assert documents["2"]["first"] is None
    assert documents["2"]["keys"] == []


def test_a_cast_to_json_is_for_geometries_only(database: str, tmp_path: Path) -> None:
    run(
        database,
        *SHAPES,
        "CREATE TABLE things (id int PRIMARY KEY, m mood, h humour, ms mood[], p pair, g ext.geometry,"
        " e ext.geography, es ext.geography[])",
        "INSERT INTO things VALUES (1, 'sad', 'glad', '{{sad},{NULL}}', '(sad,1 2)', '3 4', '5 6', '{7 8,NULL}')",
        "INSERT INTO things VALUES (2)",
    )
    schema = """
        table: things
        primary_key: id
        fields:
          - enum: m
          - enum: h
          - enum: ms
          - {custom: p, postgres: [pair], opensearch: object}
          - {custom: g, postgres: [geometry], opensearch: keyword}
          - {custom: shape, column: g, postgres: [geometry], opensearch: geo_shape}
          - {custom: e, postgres: [geography], opensearch: keyword}
          - {custom: point, column: e, postgres: [geography], opensearch: geo_point}
          - {custom: points, column: es, postgres: [geography], opensearch: geo_point}
          - {max: top, table: things, foreign_key: id, column: m, value_type: keyword}
          - {values: all, table: things, foreign_key: id, column: g, element_type: keyword}
    """
    documents = built(database, plan_of(tmp_path, schema))
    assert documents["1"] == {
        "m": "sad",
        "h": "glad",
        "ms": [["sad"], [None]],
        "p": {"m": "sad", "g": "1 2"},
        "g": "3 4",
        "shape": {"type": "Point", "coordinates": [3, 4]},
        "e": "5 6",
        "point": {"type": "Point", "coordinates": [5, 6]},
        "points": [{"type": "Point", "coordinates": [7, 8]}, None],
        "top": "sad",
        "all": ["3 4"],
    }
    nothing = dict.fromkeys(documents["1"])
    assert documents["2"] == {**nothing, "all": []}


def test_defaults_are_of_the_columns_type(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, cost money, day date, raw bytea, code char(4),"
        " labels text[], words text[], costs money[], at timestamptz, n numeric)",
        "INSERT INTO things VALUES (1)",
        "INSERT INTO things VALUES (2, -1, '2024-01-01', '', 'x', '{}', '{\" A\",NULL}',"
        " '{1,NULL}', '2024-01-01 02:00+02', 1.50)",
    )
    schema = """
        table: things
        primary_key: id
        fields:
          - {decimal: cost, default: -2.5}
          - {date: day, default: 0044-03-15 BC}
          - {binary: raw, default: '\\x6869'}
          - {keyword: code, default: 'ab  '}
          - {keyword: labels, default: '{a,b}'}
          - {keyword: words, transforms: [trim, lowercase], default: '{" C"}'}
          - {decimal: costs, default: '{1.5}'}
          - {timestamp: at, default: '2024-01-01 02:00+02'}
          - {decimal: n, default: 0}
    """
    documents = built(database, plan_of(tmp_path, schema))
    assert documents["1"] == {
        "cost": Decimal("-2.5"),
        "day": "-0043-03-15",
        "raw": "aGk=",
        "code": "ab  ",
        "labels": ["a", "b"],
        "words": [" C"],
        "costs": [Decimal("1.5")],
        "at": "2024-01-01T00:00:00+00:00",
        "n": 0,
    }
    assert documents["2"] == {
        "cost": -1,
        "day": "2024-01-01",
        "raw": "",
        "code": "x",
        "labels": [],
        "words": ["a", None],
        "costs": [1, None],
        "at": "2024-01-01T00:00:00+00:00",
        "n": Decimal("1.50"),
    }


def test_an_invalid_default_fails_each_document_alone(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TYPE mood AS ENUM ('fine')",
        "CREATE TABLE things (id int PRIMARY KEY, mood mood)",
        "INSERT INTO things VALUES (1, NULL), (2, 'fine')",
    )
    schema = """
        table: things
        primary_key: id
        fields: [{enum: mood, default: sad}]
    """
    with building(database, tmp_path, schema) as (connection, builder):
        (found,) = builder.isolate(connection, [("1",), ("2",)])
    assert {failure.key for failure in found.failed} == {("1",), ("2",)}
    assert {failure.reason for failure in found.failed} == {
        'invalid input value for enum mood: "..." (SQLSTATE 22P02)'
    }


def test_json_too_deep_for_the_servers_stack_fails_its_document_alone(
    database: str, tmp_path: Path
) -> None:
    """It was written where the stack was larger, and `#>>` parses the whole value again."""
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, data json)",
        "SET max_stack_depth = '7MB';"
        "INSERT INTO things VALUES (1, '{\"a\": 1}'), (2, (repeat('[', 30000) || repeat(']', 30000))::json)",
    )
    schema = """
        table: things
        primary_key: id
        fields: [{long: a, column: data, path: [a]}]
    """
    with building(database, tmp_path, schema) as (connection, builder):
        found = list(builder.isolate(connection, [("1",), ("2",)]))
    operations = [item for part in found for item in part.operations]
    failed = [failure.key for part in found for failure in part.failed]
    assert [(item.id, item.document) for item in operations] == [("1", b'{"a":1}')]
    assert failed == [("2",)]


@pytest.mark.parametrize(
    ("type_", "stored", "asked"),
    [
        ("numeric", "1.00", "1.0"),
        ("interval", "24:00:00", "1 day"),
        ("jsonb", '{"a": 1.0}', '{"a": 1}'),
        ("double precision", "0", "-0"),
    ],
)
def test_a_key_that_is_equal_and_not_the_same_is_deleted(
    database: str, tmp_path: Path, type_: str, stored: str, asked: str
) -> None:
    """The key finds the row, whose document has another id."""
    run(
        database,
        f"CREATE TABLE things (key {type_} PRIMARY KEY)",
        f"INSERT INTO things VALUES ('{stored}')",
    )
    with building(database, tmp_path, "table: things\nprimary_key: key\nfields: []") as (
        connection,
        builder,
    ):
        snapshot = connection.begin()
        operations = builder.build(connection, snapshot, [(asked,)])[0].operations
        connection.finish()
    assert {item.id: item.document for item in operations} == {stored: b"{}", asked: None}


def test_arrays_of_every_depth_keep_their_form(database: str, tmp_path: Path) -> None:
    """Against Postgres' own `to_json` of the same array as texts, for which it has nothing to convert."""
    arrays = ["{}", "{NULL}", '{"\\\\x01"}', '[5:6]={"\\\\x01","\\\\x02"}']
    for depth in range(2, 7):
        flat = '"\\\\x01",NULL' if depth % 2 else '"\\\\x01","\\\\x02",NULL'
        arrays.append("{" * (depth - 1) + f"{{{flat}}}" + "}" * (depth - 1))
        inner = "{" * (depth - 2) + f"{{{flat}}}" + "}" * (depth - 2)
        arrays.append(f"{{{inner},{inner},{inner}}}")
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, raw bytea[], texts jsonb)",
        *(
            f"INSERT INTO things VALUES ({at}, '{array}'::bytea[], to_jsonb('{array}'::bytea[]))"
            for at, array in enumerate(arrays)
        ),
    )
    schema = """
        table: things
        primary_key: id
        fields: [{binary: raw}, {json: texts}]
    """
    documents = built(database, plan_of(tmp_path, schema))
    assert len(documents) == len(arrays)
    for document in documents.values():
        texts = json.dumps(document["texts"])
        encoded = texts.replace("\\\\x01", "AQ==").replace("\\\\x02", "Ag==")
        assert json.dumps(document["raw"]) == encoded
