"""The documents that the SQL builds on a real server: values, filters, keys, order."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.documents import built, plan_of, run

pytestmark = pytest.mark.services


def documents(url: str, folder: Path, schema: str) -> dict[str, Any]:
    return built(url, plan_of(folder, schema))


VALUES = [
    ("int8", "9223372036854775807", "long", 9223372036854775807),
    ("numeric", "12345678901234567890.123456789", "decimal", Decimal("12345678901234567890.123456789")),
    ("numeric(40,0)", "1e39", "decimal", 10**39),
    ("real", "1.1", "float", Decimal("1.1")),
    ("double precision", "0.1", "double", Decimal("0.1")),
    ("money", "1234.50", "decimal", Decimal("1234.50")),
    ("boolean", "t", "boolean", True),
    ("text", 'a "b" \\ c\nd', "text", 'a "b" \\ c\nd'),
    ("char(5)", "ab", "keyword", "ab"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("mood", "so so", "enum", "so so"),
    ("date", "2024-02-03", "date", "2024-02-03"),
    ("timestamp", "2024-02-03 04:05:06.789", "timestamp", "2024-02-03T04:05:06.789"),
    ("timestamptz", "2024-02-03 04:05:06.789+02", "timestamp", "2024-02-03T02:05:06.789+00:00"),
    ("bytea", "\\x" + "68690a" * 40, "binary", "aGkK" * 40),
    ("jsonb", '{"b": [1, null, {"c": 1.10}]}', "json", {"b": [1, None, {"c": Decimal("1.10")}]}),
    ("json", '{"a":\n 1}', "json", {"a": 1}),
    ("int[]", "{1,NULL,3}", "integer", [1, None, 3]),
    ("char(3)[]", "{a,b}", "keyword", ["a", "b"]),
    ("padded", "x", "keyword", "x"),
    ("padded_again", "x", "keyword", "x"),
    ("price", "2.50", "decimal", Decimal("2.50")),
    ("interval", "1 day 02:00:00", "keyword", "1 day 02:00:00"),
    ("inet", "10.0.0.1/8", "keyword", "10.0.0.1/8"),
]  # fmt: skip


def test_values_of_every_type_are_exact(database: str, tmp_path: Path) -> None:
    columns = ", ".join(f"c{at} {type_}" for at, (type_, *_) in enumerate(VALUES))
    run(
        database,
        "CREATE TYPE mood AS ENUM ('fine', 'so so')",
        "CREATE DOMAIN padded AS char(4)",
        "CREATE DOMAIN padded_again AS padded",
        "CREATE DOMAIN price AS money",
        f"CREATE TABLE things (id int PRIMARY KEY, {columns})",
        "INSERT INTO things (id) VALUES (2)",
    )
    with psycopg.connect(database, autocommit=True) as connection:
        marks = ", ".join(["%s"] * len(VALUES))
        given = [value for _, value, _, _ in VALUES]
        connection.execute(f"INSERT INTO things VALUES (1, {marks})".encode(), given)
    fields = "".join(f"  - {tag}: c{at}\n" for at, (_, _, tag, _) in enumerate(VALUES))

    found = documents(database, tmp_path, f"table: things\nfields:\n{fields}")

    assert found["1"] == {f"c{at}": value for at, (*_, value) in enumerate(VALUES)}
    assert found["2"] == dict.fromkeys(found["1"])


def test_transforms_defaults_constants_and_points(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TYPE mood AS ENUM ('Fine', 'Low')",
        "CREATE TABLE things (id int PRIMARY KEY, name text, mood mood, n int, on_sale bool,"
        " lat numeric, lon float8, place jsonb)",
        "INSERT INTO things VALUES (1, '  Ab C ', 'Fine', 7, true, 1.5, 2.5, '[2.5, 1.5]')",
        "INSERT INTO things (id, lat) VALUES (2, 1)",
    )
    schema = """
        table: things
        fields:
          - keyword: name
            transforms: [lowercase, trim]
            default: "it's none"
          - { enum: mood, transforms: [lowercase] }
          - { integer: n, default: -1 }
          - { boolean: onSale, column: on_sale, default: false }
          - { geo: at, lat: lat, lon: lon }
          - { geo: place }
          - object: o
            fields:
              - { integer: o, column: n }
          - { constant: text, value: "a'b" }
          - { constant: number, value: 5 }
          - { constant: half, value: 1.5 }
          - { constant: truth, value: true }
          - { constant: nothing, value: null }
          - { constant: list, value: [1, 2] }
          - { constant: map, value: { a: { b: no } } }
          - { object: empty, fields: [] }
        """
    constants = {
        "text": "a'b",
        "number": 5,
        "half": Decimal("1.5"),
        "truth": True,
        "nothing": None,
        "list": [1, 2],
        "map": {"a": {"b": "no"}},
        "empty": {},
    }
    assert documents(database, tmp_path, schema) == {
        "1": {
            "name": "ab c",
            "mood": "fine",
            "n": 7,
            "onSale": True,
            "at": {"lat": Decimal("1.5"), "lon": Decimal("2.5")},
            "place": [Decimal("2.5"), Decimal("1.5")],
            "o": {"o": 7},
            **constants,
        },
        "2": {
            "name": "it's none",
            "mood": None,
            "n": -1,
            "onSale": False,
            "at": None,
            "place": None,
            "o": {"o": None},
            **constants,
        },
    }


def test_a_level_may_have_any_number_of_fields(database: str, tmp_path: Path) -> None:
    names = [f"c{at}" for at in range(260)]
    run(
        database,
        f"CREATE TABLE things (id int PRIMARY KEY, {', '.join(f'{name} int' for name in names)})",
        "INSERT INTO things (id, c259) VALUES (1, 9)",
    )
    fields = "".join(f"  - integer: {name}\n" for name in names)
    found = documents(database, tmp_path, f"table: things\nfields:\n{fields}")
    assert found["1"] == dict.fromkeys(names[:-1]) | {"c259": 9}


# --- which rows are documents ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soft_delete", "kept"),
    [
        ("{ column: flag }", "1 2 5"),
        ("{ column: flag_domain }", "1 2 5"),
        ("{ column: gone_at }", "1 2 3 5"),
        ("{ column: n }", "1"),
        ("{ field: flagged }", "1 2 5"),
        ("{ column: flag, when: [{ column: n, op: gt, value: 10 }] }", "1 2 3 5"),
        ("{ column: flag, when: [{ raw: n > 10 }, { column: name, op: is_null }] }", "1 2 3 4 5"),
        ("{ column: flag, when: [{ column: unknown, op: gt, value: 10 }] }", "1 2 5"),
    ],
)
def test_soft_deleted_rows_have_no_documents(
    database: str, tmp_path: Path, soft_delete: str, kept: str
) -> None:
    run(
        database,
        "CREATE DOMAIN yes_or_no AS boolean",
        "CREATE TABLE things (id int PRIMARY KEY, name text, flag bool, flag_domain yes_or_no,"
        " gone_at timestamptz, n int, unknown int)",
        "INSERT INTO things VALUES (1, 'a', NULL, NULL, NULL, NULL), (2, 'b', false, false, NULL, 0),"
        " (3, 'c', true, true, NULL, 1), (4, 'd', true, true, now(), 11), (5, 'e', false, false, NULL, 12)",
    )
    schema = f"""
        table: things
        soft_delete: {soft_delete}
        fields:
          - {{ keyword: name }}
          - object: state
            fields:
              - {{ boolean: flagged, column: flag_domain }}
        """
    assert sorted(documents(database, tmp_path, schema)) == kept.split()


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ("{ column: name, op: eq, value: \"o'brien\" }", "1"),
        ("{ column: name, op: eq, value: 'back\\slash' }", "2"),
        ("{ column: name, op: eq, value: '100% {x} $1' }", "3"),
        ("{ column: name, op: neq, value: '100% {x} $1' }", "1 2 4"),
        ("{ column: name, op: like, value: '%\\\\%' }", "2"),
        ("{ column: name, op: ilike, value: 'O''%' }", "1"),
        ("{ column: name, op: in, value: [\"o'brien\", 'plain, \"quoted\"'] }", "1 4"),
        ("{ column: n, op: not_in, value: [1, 2] }", "3 4"),
        ("{ column: n, op: between, value: [2, 3] }", "2 3"),
        ("{ column: n, op: lt, value: 2 }", "1"),
        ("{ column: n, op: lte, value: 2 }", "1 2"),
        ("{ column: n, op: gt, value: 3 }", "4"),
        ("{ column: n, op: gte, value: 3 }", "3 4"),
        ("{ column: price, op: eq, value: 12.50 }", "1"),
        ("{ column: code, op: eq, value: NO }", "1"),
        ("{ column: code, op: eq, value: 'a' }", "2"),
        ("{ column: mood, op: eq, value: low }", "2"),
        ("{ column: at, op: lt, value: 2024-01-02 }", "1"),
        ("{ column: shown, op: eq, value: true }", "1"),
        ("{ column: shown, op: is_null }", "3 4"),
        ("{ column: shown, op: is_not_null }", "1 2"),
        ("{ raw: \"n % 2 = 0 AND name LIKE '%a%' -- even\" }", "2 4"),
        ("{ raw: \"n = 1 OR n = 2\" }, { column: n, op: gt, value: 1 }", "2"),
    ],
)  # fmt: skip
def test_filters_select_the_declared_rows(
    database: str, tmp_path: Path, filters: str, kept: str
) -> None:
    run(
        database,
        "CREATE TYPE mood AS ENUM ('fine', 'low')",
        "CREATE TABLE things (id int PRIMARY KEY, name text, n int, price numeric(10,2), code char(2),"
        " mood mood, at timestamptz, shown bool)",
        r"INSERT INTO things VALUES (1, 'o''brien', 1, 12.5, 'NO', 'fine', '2024-01-01', true),"
        r" (2, 'back\slash', 2, 1, 'a', 'low', '2024-01-02', false),"
        r" (3, '100% {x} $1', 3, 1, NULL, NULL, NULL, NULL),"
        r""" (4, 'plain, "quoted"', 4, 1, NULL, NULL, NULL, NULL)""",
    )
    root = f"""
        table: things
        primary_key: id
        filters: [{filters}]
        fields: [{{ integer: id }}]
        """
    assert sorted(documents(database, tmp_path, root)) == kept.split()
    run(database, "CREATE TABLE owner (id int PRIMARY KEY)", "INSERT INTO owner VALUES (1)")
    run(database, "ALTER TABLE things ADD owner_id int", "UPDATE things SET owner_id = 1")
    # The same in a join, beside it in an aggregate, and beside another aggregate over the same rows.
    related = f"""
        table: owner
        primary_key: id
        fields:
          - has_many: things
            table: things
            primary_key: id
            foreign_key: owner_id
            filters: [{filters}]
            fields: [{{ integer: id }}]
          - {{ count: all, table: things, foreign_key: owner_id }}
          - {{ count: some, table: things, foreign_key: owner_id, filters: [{filters}] }}
          - ids: which
            table: things
            foreign_key: owner_id
            element_type: integer
            filters: [{filters}]
        """
    found = documents(database, tmp_path, related)["1"]
    ids = [int(item) for item in kept.split()]
    assert found == {
        "things": [{"id": item} for item in ids],
        "all": 4,
        "some": len(ids),
        "which": ids,
    }
