"""The tables that random schemas speak of, how they are related, and their first rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from support.random_schedules.world import World

LAST_CHANGE = "INSERT INTO kinds (id, name, rank) VALUES (0, 'last', 0) ON CONFLICT (id) DO UPDATE SET rank = 0"
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

_PARTITIONS = ("screws_0", "screws_1")

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


def _first_rows(random: Random, world: World) -> list[str]:
    """Statements that fill the tables."""

    def some(most: int) -> str:
        return f"nullif((random() * {most})::int, 0)"

    size = random.randint(10, 80)
    region = f"(ARRAY['{world.regions[0]}', '{world.regions[1]}'])[1 + n % 2]"
    return [
        f"SELECT setseed({random.random():.6f})",
        "INSERT INTO kinds SELECT n, 'kind ' || n, n % 3 FROM generate_series(1, 4) n",
        f"INSERT INTO targets SELECT n, 'Target ' || n, {some(5)}, {some(4)}, {world.code_of('nullif(n, 8)')}"
        " FROM generate_series(1, 10) n",
        f"INSERT INTO roots SELECT n, ' Root ' || n, {some(9)}, random() < 0.5, random() < 0.1,"
        f" jsonb_build_object('a', jsonb_build_array(n, 'x' || n)), {some(size)}, {some(10)},"
        f" 'new', ROW(n, 'spot')::spot, hstore('n', n::text) FROM generate_series(1, {size}) n",
        f"INSERT INTO children SELECT n, {some(size)}, {some(10)}, 'child ' || n, {some(9)}, n + 0.25, {world.code_of(some(20))}"
        f" FROM generate_series(1, {2 * size}) n",
        f"INSERT INTO leaves SELECT n, {some(2 * size)}, 'leaf ' || n, {some(9)} FROM generate_series(1, {3 * size}) n",
        f"INSERT INTO links SELECT r, t FROM generate_series(1, {size}) r, generate_series(1, 10) t WHERE random() < 0.15",
        f"INSERT INTO parts SELECT {region}, n, {some(size)}, 'part ' || n, {some(9)}"
        f" FROM generate_series(1, {size}) n",
        f"INSERT INTO screws SELECT n * 20, {region}, 1 + n % {size}, {some(9)}"
        f" FROM generate_series(1, {size}) n",
    ]


def prepare(random: Random, world: World, publication: str, role: str | None) -> Iterator[str]:
    """Statements that make the database; `role` is the processes', if it is not the owner."""
    yield world.ddl
    yield from _first_rows(random, world)
    if role is not None:
        yield f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        yield from (
            f"ALTER TABLE {table} REPLICA IDENTITY FULL" for table in (*TABLES, *_PARTITIONS)
        )
        # The processes do not own the tables, so that they cannot publish them.
    if role is not None or world.all_tables:
        tables = "ALL TABLES" if world.all_tables else f"TABLE {', '.join(TABLES)}"
        yield f"CREATE PUBLICATION {publication} FOR {tables} WITH (publish_via_partition_root = true)"
    for setting in world.settings:
        if role is not None and random.random() < 0.5:
            yield f"ALTER ROLE {role} SET {setting}"
            continue
        yield f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting.replace(chr(39), chr(39) * 2)}', current_database()); END $$"
