"""A family tree: people related to people through a table with a key of its own, over two generations, and directly."""

from __future__ import annotations

from typing import Any

from support.expected.oracle import Documents
from support.stores.model import (
    Model,
    Row,
    Tables,
    by,
    where,
)

_DDL = """
CREATE SCHEMA ancestry;
CREATE TABLE ancestry.persons (id int PRIMARY KEY, name text, born date, spouse_id int);
CREATE TABLE ancestry.parentage (id int PRIMARY KEY, parent_id int, child_id int, UNIQUE (parent_id, child_id));
CREATE INDEX ON ancestry.persons (spouse_id);
CREATE INDEX ON ancestry.parentage (child_id);
"""
_ROWS = """
INSERT INTO ancestry.persons SELECT n, 'person ' || n, DATE '2000-01-01' - n * 400, CASE WHEN n % 3 = 0 THEN n + 1 END
FROM generate_series(1, 31) n;
INSERT INTO ancestry.parentage SELECT 100 + n, n, n / 2 FROM generate_series(2, 31) n;
"""

_PERSONS = """
table: persons
schema: ancestry
primary_key: id
fields:
  - keyword: name
  - date: born
  - belongs_to: spouse
    column: spouse_id
    table: persons
    primary_key: id
    fields: [{ keyword: name }]
  - has_one: spouseOf
    table: persons
    primary_key: id
    foreign_key: spouse_id
    order_by: [{ column: id, direction: asc }]
    fields: [{ keyword: name }]
  - many_to_many: parents
    table: persons
    primary_key: id
    through: { table: parentage, left_key: child_id, right_key: parent_id }
    order_by: [{ column: born, direction: asc }]
    fields:
      - keyword: name
      - many_to_many: parents
        table: persons
        primary_key: id
        through: { table: parentage, left_key: child_id, right_key: parent_id }
        order_by: [{ column: born, direction: asc }]
        fields: [{ keyword: name }]
  - many_to_many: children
    table: persons
    primary_key: id
    through: { table: parentage, left_key: parent_id, right_key: child_id }
    fields:
      - keyword: name
      - count: children
        table: parentage
        foreign_key: parent_id
"""


def _expected(tables: Tables) -> dict[str, Documents]:
    return {"persons": {str(row["id"]): _person(row, tables) for row in tables["persons"]}}


def _person(row: Row, tables: Tables) -> dict[str, Any]:
    persons = by(tables["persons"], "id")
    spouse = persons.get(row["spouse_id"])
    married = where(tables["persons"], spouse_id=row["id"])
    return {
        "name": row["name"],
        "born": row["born"].isoformat(),
        "spouse": None if spouse is None else {"name": spouse["name"]},
        "spouseOf": {"name": married[0]["name"]} if married else None,
        "parents": [
            {
                "name": parent["name"],
                "parents": [{"name": one["name"]} for one in _parents(parent, tables)],
            }
            for parent in _parents(row, tables)
        ],
        "children": [
            {
                "name": persons[link["child_id"]]["name"],
                "children": len(where(tables["parentage"], parent_id=link["child_id"])),
            }
            for link in where(tables["parentage"], "child_id", parent_id=row["id"])
            if link["child_id"] in persons
        ],
    }


def _parents(row: Row, tables: Tables) -> list[Row]:
    persons = by(tables["persons"], "id")
    links = where(tables["parentage"], child_id=row["id"])
    found = [persons[link["parent_id"]] for link in links if link["parent_id"] in persons]
    return sorted(found, key=lambda person: person["born"])


MODEL = Model(
    ddl=_DDL,
    rows=_ROWS,
    tables=("ancestry.persons", "ancestry.parentage"),
    schemas={"persons": _PERSONS},
    expected=_expected,
    steps={
        "a person in the middle changes": [
            "UPDATE ancestry.persons SET name = 'renamed', born = '1900-01-01' WHERE id = 5",
            "UPDATE ancestry.persons SET name = 'root' WHERE id = 1",
        ],
        "children get other parents": [
            "UPDATE ancestry.parentage SET child_id = 3 WHERE id IN (104, 110)",
            "UPDATE ancestry.parentage SET parent_id = 31 WHERE id = 107",
            "UPDATE ancestry.parentage SET id = id + 1000 WHERE id = 112",
        ],
        "spouses change": [
            "UPDATE ancestry.persons SET spouse_id = 2 WHERE id IN (7, 9)",
            "UPDATE ancestry.persons SET spouse_id = NULL WHERE id = 12",
            "UPDATE ancestry.persons SET spouse_id = id WHERE id = 20",
        ],
        "keys change, links stay behind": [
            "UPDATE ancestry.persons SET id = 200 WHERE id = 6",
            "UPDATE ancestry.parentage SET child_id = 200 WHERE child_id = 6",
        ],
        "links and persons go": [
            "DELETE FROM ancestry.parentage WHERE id % 8 = 0",
            "DELETE FROM ancestry.persons WHERE id IN (3, 25)",
        ],
        "a person is added to the links that waited, and a generation is put between": [
            "INSERT INTO ancestry.persons VALUES (3, 'back', '1890-01-01', 4), (300, 'between', '1895-01-01', 300)",
            "INSERT INTO ancestry.parentage VALUES (300, 10, 300), (301, 300, 5), (302, 300, 26)",
        ],
        "a person is their own parent": ["INSERT INTO ancestry.parentage VALUES (303, 4, 4)"],
        "no links are left": ["TRUNCATE ancestry.parentage"],
    },
)
