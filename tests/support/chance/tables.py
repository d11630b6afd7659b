"""The tables that random schemas speak of, how they are related, and their first rows."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

DDL = """
CREATE TABLE kinds (id int PRIMARY KEY, name text, rank int);
CREATE TABLE targets (id int PRIMARY KEY, name text, rank int, kind_id int, code int UNIQUE);
CREATE TABLE roots (
    id int PRIMARY KEY, name text, rank int, flag boolean, gone boolean, data jsonb, parent_id int, target_id int
);
CREATE TABLE children (
    id int PRIMARY KEY, root_id int, target_id int, name text, rank int, amount numeric(10, 2), target_code int
);
CREATE TABLE leaves (id int PRIMARY KEY, child_id int, name text, rank int);
CREATE TABLE links (root_id int, target_id int, PRIMARY KEY (root_id, target_id));
CREATE TABLE parts (region text, no int, root_id int, name text, rank int, PRIMARY KEY (region, no));
CREATE TABLE screws (id int PRIMARY KEY, region text, no int, rank int) PARTITION BY RANGE (id);
CREATE TABLE screws_0 PARTITION OF screws FOR VALUES FROM (0) TO (500);
CREATE TABLE screws_1 PARTITION OF screws FOR VALUES FROM (500) TO (1000000);
CREATE INDEX ON targets (kind_id);
CREATE INDEX ON roots (parent_id);
CREATE INDEX ON roots (target_id);
CREATE INDEX ON children (root_id);
CREATE INDEX ON children (target_id);
CREATE INDEX ON children (target_code);
CREATE INDEX ON leaves (child_id);
CREATE INDEX ON links (target_id);
CREATE INDEX ON parts (root_id);
CREATE INDEX ON screws (region, no);
"""
LAST_CHANGE = "INSERT INTO kinds VALUES (0, 'last', 0) ON CONFLICT (id) DO UPDATE SET rank = 0"
"""Every index has `kinds` somewhere; row 0 is in no document but those of `kinds`."""


@dataclass(frozen=True)
class Table:
    """What a schema can say of a table."""

    key: tuple[str, ...]
    texts: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    decimals: tuple[str, ...] = ()
    code: str | None = None
    """A column that is unique and not the key."""


TABLES = {
    "kinds": Table(("id",), ("name",), ("rank",)),
    "targets": Table(("id",), ("name",), ("rank",), code="code"),
    "roots": Table(("id",), ("name",), ("rank",)),
    "children": Table(("id",), ("name",), ("rank",), ("amount",)),
    "leaves": Table(("id",), ("name",), ("rank",)),
    "links": Table(("root_id", "target_id")),
    "parts": Table(("region", "no"), ("name",), ("rank",)),
    "screws": Table(("id",), (), ("rank",)),
}

Columns = str | tuple[str, ...]

TO_ONE: dict[str, list[tuple[Columns, str]]] = {
    "roots": [("parent_id", "roots"), ("target_id", "targets")],
    "children": [("root_id", "roots"), ("target_id", "targets")],
    "targets": [("kind_id", "kinds")],
    "leaves": [("child_id", "children")],
    "screws": [(("region", "no"), "parts")],
    "parts": [("root_id", "roots")],
}
"""Table -> (its columns, the table whose key they hold)."""
TO_MANY: dict[str, list[tuple[str, Columns]]] = {
    "roots": [("children", "root_id"), ("parts", "root_id"), ("roots", "parent_id")],
    "targets": [("roots", "target_id"), ("children", "target_id")],
    "kinds": [("targets", "kind_id")],
    "children": [("leaves", "child_id")],
    "parts": [("screws", ("region", "no"))],
}
"""Table -> (the other table, its columns that hold this one's key)."""
BY_CODE = ("children", "target_code", "targets")
"""A table, its column, and the table whose code it holds."""
THROUGH = {
    "roots": ("targets", "root_id", "target_id"),
    "targets": ("roots", "target_id", "root_id"),
}
"""Table -> (the table at the other end of `links`, the columns for this end and that one)."""


def first_rows(random: Random) -> list[str]:
    """Statements that fill the tables."""

    def some(most: int) -> str:
        return f"nullif((random() * {most})::int, 0)"

    size = random.randint(10, 80)
    return [
        f"SELECT setseed({random.random():.6f})",
        "INSERT INTO kinds SELECT n, 'kind ' || n, n % 3 FROM generate_series(1, 4) n",
        f"INSERT INTO targets SELECT n, 'Target ' || n, {some(5)}, {some(4)}, nullif(n, 8)"
        " FROM generate_series(1, 10) n",
        f"INSERT INTO roots SELECT n, ' Root ' || n, {some(9)}, random() < 0.5, random() < 0.1,"
        f" jsonb_build_object('a', jsonb_build_array(n, 'x' || n)), {some(size)}, {some(10)}"
        f" FROM generate_series(1, {size}) n",
        f"INSERT INTO children SELECT n, {some(size)}, {some(10)}, 'child ' || n, {some(9)}, n + 0.25, {some(20)}"
        f" FROM generate_series(1, {2 * size}) n",
        f"INSERT INTO leaves SELECT n, {some(2 * size)}, 'leaf ' || n, {some(9)} FROM generate_series(1, {3 * size}) n",
        f"INSERT INTO links SELECT r, t FROM generate_series(1, {size}) r, generate_series(1, 10) t WHERE random() < 0.15",
        f"INSERT INTO parts SELECT (ARRAY['n', 's'])[1 + n % 2], n, {some(size)}, 'part ' || n, {some(9)}"
        f" FROM generate_series(1, {size}) n",
        f"INSERT INTO screws SELECT n * 20, (ARRAY['n', 's'])[1 + n % 2], 1 + n % {size}, {some(9)}"
        f" FROM generate_series(1, {size}) n",
    ]
