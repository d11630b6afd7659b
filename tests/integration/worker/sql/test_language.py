"""`references`, `values` and `path` in documents that a real server builds."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from support.documents import built, plan_of, run

pytestmark = pytest.mark.services

BANK = (
    'CREATE TABLE account (id int PRIMARY KEY, iban text UNIQUE, data jsonb, raw json, "Order No" int)',
    "CREATE TABLE entry (id int PRIMARY KEY, iban text, note text, amount numeric, at date)",
    "CREATE TABLE tag (id int PRIMARY KEY, label text)",
    "CREATE TABLE account_tag (iban text, tag_id int, PRIMARY KEY (iban, tag_id))",
    """INSERT INTO account VALUES
       (1, 'A', '{"city": "Oslo", "lines": ["x", "y"], "n": 12345678901234567890.123, "ok": true,
                  "day": "2024-02-03", "at": "2024-02-03T04:05:06.5+02:00", "deep": {"k": [1, {"z": null}]}}',
        '{"a":  1}', 7),
       (2, NULL, NULL, NULL, NULL), (3, 'C', '[]', '[1]', NULL)""",
    """INSERT INTO entry VALUES (1, 'A', 'b', 2.50, '2024-01-02'), (2, 'A', 'a', 1, '2024-01-01'),
       (3, 'A', NULL, 3, NULL), (4, 'A', 'b', 1, '2024-01-03'), (5, 'C', 'z', NULL, NULL), (6, NULL, 'q', 1, NULL)""",
    "INSERT INTO tag VALUES (1, 'hot'), (2, 'cold')",
    "INSERT INTO account_tag VALUES ('A', 2), ('A', 1), ('C', 1)",
)


def test_relations_by_a_unique_column(database: str, tmp_path: Path) -> None:
    run(database, *BANK)
    schema = """
        table: account
        primary_key: id
        fields:
          - has_many: entries
            table: entry
            primary_key: id
            foreign_key: iban
            references: iban
            fields: [{ integer: id }]
          - has_one: latest
            table: entry
            primary_key: id
            foreign_key: iban
            references: iban
            order_by: [{ column: at, direction: desc }]
            filters: [{ column: at, op: is_not_null }]
            fields: [{ integer: id }]
          - many_to_many: tags
            table: tag
            primary_key: id
            references: iban
            through: { table: account_tag, left_key: iban, right_key: tag_id }
            fields: [{ keyword: label }]
          - count: size
            table: entry
            foreign_key: iban
            references: iban
    """
    assert built(database, plan_of(tmp_path, schema)) == {
        "1": {
            "entries": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}],
            "latest": {"id": 4},
            "tags": [{"label": "hot"}, {"label": "cold"}],
            "size": 4,
        },
        "2": {"entries": [], "latest": None, "tags": [], "size": 0},
        "3": {"entries": [{"id": 5}], "latest": None, "tags": [{"label": "hot"}], "size": 1},
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ["b", "a", "b"]),
        ("order_by: [{ column: at }]", ["a", "b", "b"]),
        ("order_by: [{ column: at, direction: desc }], limit: 2", ["b", "b"]),
        ("distinct: true", ["a", "b"]),
        ("distinct: true, order_by: [{ column: at, direction: desc }]", ["b", "a"]),
        ("distinct: true, order_by: [{ column: at, direction: desc }], limit: 1", ["b"]),
        ("filters: [{ column: amount, op: eq, value: 1 }]", ["a", "b"]),
        ('filters: [{ raw: "amount > 1" }], limit: 5', ["b"]),
    ],
)
def test_values_of_related_rows(
    more: str, expected: list[str], database: str, tmp_path: Path
) -> None:
    run(database, *BANK)
    rest = f", {more}" if more else ""
    field = (
        "{ values: notes, table: entry, column: note, element_type: keyword, foreign_key: iban,"
        f" references: iban{rest} }}"
    )
    plan = plan_of(tmp_path, f"table: account\nprimary_key: id\nfields:\n  - {field}\n")
    found = built(database, plan)
    assert found["1"] == {"notes": expected}
    assert found["2"] == {"notes": []}


def test_values_through_a_junction_and_of_numbers(database: str, tmp_path: Path) -> None:
    run(database, *BANK)
    schema = """
        table: account
        primary_key: id
        fields:
          - values: labels
            table: tag
            column: label
            element_type: keyword
            references: iban
            through: { table: account_tag, left_key: iban, right_key: tag_id }
            order_by: [{ column: label }]
          - values: amounts
            table: entry
            column: amount
            element_type: decimal
            foreign_key: iban
            references: iban
    """
    found = built(database, plan_of(tmp_path, schema))
    assert found["1"] == {"labels": ["cold", "hot"], "amounts": [Decimal("2.50"), 1, 3, 1]}
    assert found["3"] == {"labels": ["hot"], "amounts": []}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("{ keyword: v, column: data, path: [city] }", "Oslo"),
        ("{ keyword: v, column: data, path: [city], transforms: [lowercase] }", "oslo"),
        ("{ text: v, column: data, path: [lines, 1] }", "y"),
        ("{ text: v, column: data, path: [lines, -1] }", "y"),
        ("{ text: v, column: data, path: [lines, 2] }", None),
        ("{ text: v, column: data, path: [nowhere, 2], default: none }", "none"),
        ("{ decimal: v, column: data, path: [n] }", Decimal("12345678901234567890.123")),
        ("{ boolean: v, column: data, path: [ok] }", True),
        ("{ date: v, column: data, path: [day] }", "2024-02-03"),
        ("{ timestamp: v, column: data, path: [at] }", "2024-02-03T02:05:06.5+00:00"),
        ("{ json: v, column: data, path: [deep, k] }", [1, {"z": None}]),
        ("{ json: v, column: data, path: [deep, k, 1, z] }", None),
        ("{ keyword: v, column: data, path: [deep, k, 1, z] }", None),
        ("{ integer: v, column: data, path: [deep, k, 0] }", 1),
        ("{ integer: v, column: raw, path: [a] }", 1),
        (
            "{ custom: v, column: data, path: [ok], postgres: [jsonb], opensearch: boolean }",
            True,
        ),
    ],
)
def test_a_value_inside_json(field: str, expected: object, database: str, tmp_path: Path) -> None:
    run(database, *BANK)
    plan = plan_of(tmp_path, f"table: account\nprimary_key: id\nfields:\n  - {field}\n")
    found = built(database, plan)
    assert found["1"] == {"v": expected}
    nothing = "none" if "default" in field else None
    assert found["2"] == {"v": nothing}
    assert found["3"] == {"v": nothing}


def test_a_value_of_another_type_fails_its_document_only(database: str, tmp_path: Path) -> None:
    """The statement fails with a class that the worker bisects down to the row."""
    run(database, *BANK)
    field = "{ integer: v, column: data, path: [city] }"
    plan = plan_of(tmp_path, f"table: account\nprimary_key: id\nfields:\n  - {field}\n")
    with pytest.raises(AssertionError, match="invalid input syntax for type integer"):
        built(database, plan)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE account SET data = jsonb_set(data, '{city}', '5') WHERE id = 1")
    assert built(database, plan)["1"] == {"v": 5}
