"""A second store for shapes that the dev store has not: cascades over three levels, partitions, tables of the same name.

Like `oracle` it computes the documents the obvious way, from whole tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.expected.oracle import Documents

INDEXES = ("attic", "boxes", "bottles", "shelves")

_TABLES = """
CREATE TABLE shelves (id int PRIMARY KEY, name text);
CREATE TABLE crates (id int PRIMARY KEY, shelf_id int REFERENCES shelves ON DELETE CASCADE, note text);
CREATE TABLE bottles (
    id int PRIMARY KEY, crate_id int REFERENCES crates ON DELETE SET NULL, size int, unused text
);
CREATE TABLE labels (id int PRIMARY KEY, bottle_id int REFERENCES bottles ON DELETE CASCADE, text text);
CREATE INDEX ON crates (shelf_id);
CREATE INDEX ON bottles (crate_id);
CREATE INDEX ON labels (bottle_id);

CREATE TABLE boxes (region text, id int, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE boxes_n PARTITION OF boxes FOR VALUES IN ('n');
CREATE TABLE boxes_s PARTITION OF boxes FOR VALUES IN ('s');
CREATE TABLE parts (id int PRIMARY KEY, region text, box_id int, note text) PARTITION BY RANGE (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE INDEX ON parts (region, box_id);

CREATE SCHEMA attic;
CREATE TABLE attic.shelves (id int PRIMARY KEY, title text);
CREATE TABLE attic.crates (id int PRIMARY KEY, shelf_id int, note text);
CREATE INDEX ON attic.crates (shelf_id);
"""

_ROWS = """
INSERT INTO shelves SELECT n, 'shelf ' || n FROM generate_series(1, 4) n;
INSERT INTO crates SELECT n, 1 + n % 4, 'crate ' || n FROM generate_series(1, 8) n;
INSERT INTO bottles SELECT n, 1 + n % 8, n, 'x' FROM generate_series(1, 16) n;
INSERT INTO labels SELECT n, 1 + n % 16, 'label ' || n FROM generate_series(1, 32) n;
INSERT INTO boxes SELECT CASE n % 2 WHEN 0 THEN 'n' ELSE 's' END, n, 'box ' || n FROM generate_series(1, 6) n;
INSERT INTO parts SELECT n * 9, b.region, b.id, 'part ' || n
FROM generate_series(1, 20) n JOIN boxes b ON b.id = 1 + n % 6;
INSERT INTO attic.shelves SELECT n, 'attic shelf ' || n FROM generate_series(1, 4) n;
INSERT INTO attic.crates SELECT n, 1 + n % 3, 'attic crate ' || n FROM generate_series(1, 8) n;
"""

_SCHEMAS = {
    "attic": """
schema: attic
table: shelves
primary_key: id
fields:
  - keyword: title
  - has_many: crates
    table: crates
    primary_key: id
    foreign_key: shelf_id
    fields:
      - integer: id
      - keyword: note
  - has_many: below
    schema: public
    table: crates
    primary_key: id
    foreign_key: shelf_id
    fields:
      - integer: id
      - keyword: note
""",
    "shelves": """
table: shelves
primary_key: id
fields:
  - integer: id
  - keyword: name
  - has_many: crates
    table: crates
    primary_key: id
    foreign_key: shelf_id
    order_by: [{ column: id, direction: asc }]
    fields:
      - integer: id
      - keyword: note
      - has_many: bottles
        table: bottles
        primary_key: id
        foreign_key: crate_id
        order_by: [{ column: id, direction: asc }]
        fields:
          - integer: id
          - has_many: labels
            table: labels
            primary_key: id
            foreign_key: bottle_id
            order_by: [{ column: id, direction: asc }]
            fields:
              - keyword: text
""",
    "bottles": """
table: bottles
primary_key: id
fields:
  - integer: id
  - long: size
  - belongs_to: crate
    column: crate_id
    table: crates
    primary_key: id
    fields:
      - integer: id
      - keyword: note
      - belongs_to: shelf
        column: shelf_id
        table: shelves
        primary_key: id
        fields:
          - keyword: name
""",
    "boxes": """
table: boxes
primary_key: [region, id]
fields:
  - keyword: region
  - integer: id
  - keyword: note
  - has_many: parts
    table: parts
    primary_key: id
    foreign_key: [region, box_id]
    order_by: [{ column: id, direction: asc }]
    fields:
      - integer: id
      - keyword: note
  - count: partCount
    table: parts
    foreign_key: [region, box_id]
""",
}

_READ = (
    "attic.shelves",
    "attic.crates",
    "shelves",
    "crates",
    "bottles",
    "labels",
    "boxes",
    "parts",
)
Row = Mapping[str, Any]


def create(database_url: str) -> None:
    """Make the tables and their rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_ROWS)


def write_schemas(folder: Path) -> None:
    """The schema files."""
    for name, text in _SCHEMAS.items():
        (folder / f"{name}.schema.yml").write_text(text)


def expected(database_url: str) -> dict[str, Documents]:
    """Per index the documents that it must hold now, by id."""
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.cursor(row_factory=dict_row) as cursor:
            tables: dict[str, list[Row]] = {}
            for name in _READ:
                tables[name] = list(cursor.execute(f"TABLE {name}".encode()))
    return {
        "attic": _attic(tables),
        "shelves": _shelves(tables),
        "bottles": _bottles(tables),
        "boxes": _boxes(tables),
    }


def _attic(tables: Mapping[str, list[Row]]) -> Documents:
    def crates(rows: list[Row], shelf: Row) -> list[dict[str, Any]]:
        found = _of(rows, "shelf_id", shelf["id"])
        return [{"id": row["id"], "note": row["note"]} for row in found]

    return {
        str(shelf["id"]): {
            "title": shelf["title"],
            "crates": crates(tables["attic.crates"], shelf),
            "below": crates(tables["crates"], shelf),
        }
        for shelf in tables["attic.shelves"]
    }


def _shelves(tables: Mapping[str, list[Row]]) -> Documents:
    return {
        str(shelf["id"]): {
            "id": shelf["id"],
            "name": shelf["name"],
            "crates": [
                {
                    "id": crate["id"],
                    "note": crate["note"],
                    "bottles": [
                        {
                            "id": bottle["id"],
                            "labels": [
                                {"text": label["text"]}
                                for label in _of(tables["labels"], "bottle_id", bottle["id"])
                            ],
                        }
                        for bottle in _of(tables["bottles"], "crate_id", crate["id"])
                    ],
                }
                for crate in _of(tables["crates"], "shelf_id", shelf["id"])
            ],
        }
        for shelf in tables["shelves"]
    }


def _bottles(tables: Mapping[str, list[Row]]) -> Documents:
    crates = {row["id"]: row for row in tables["crates"]}
    shelves = {row["id"]: row for row in tables["shelves"]}

    def crate(number: int | None) -> dict[str, Any] | None:
        if number is None:
            return None
        row = crates[number]
        shelf = shelves.get(row["shelf_id"])
        return {
            "id": row["id"],
            "note": row["note"],
            "shelf": None if shelf is None else {"name": shelf["name"]},
        }

    return {
        str(row["id"]): {"id": row["id"], "size": row["size"], "crate": crate(row["crate_id"])}
        for row in tables["bottles"]
    }


def _boxes(tables: Mapping[str, list[Row]]) -> Documents:
    documents: Documents = {}
    for box in tables["boxes"]:
        parts = [
            {"id": part["id"], "note": part["note"]}
            for part in _of(tables["parts"], "box_id", box["id"])
            if part["region"] == box["region"]
        ]
        documents[f"{box['region']}:{box['id']}"] = {
            "region": box["region"],
            "id": box["id"],
            "note": box["note"],
            "parts": parts,
            "partCount": len(parts),
        }
    return documents


def _of(rows: list[Row], column: str, value: object) -> list[Row]:
    """The rows with that value, by id."""
    return sorted((row for row in rows if row[column] == value), key=lambda row: int(row["id"]))
