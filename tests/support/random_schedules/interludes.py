"""What a random database goes through for a while: states in which not all is followed, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from support.random_schedules.world import World

_PLAIN = ("kinds", "targets", "roots", "children", "leaves", "parts")

_KEYS = (
    ("kinds", "id"),
    ("targets", "id"),
    ("roots", "id"),
    ("children", "id"),
    ("leaves", "id"),
    ("links", "root_id"),
    ("links", "target_id"),
)


@dataclass(frozen=True)
class Interlude:
    """Statements that begin it and end it, each a transaction of its own."""

    begin: tuple[str, ...]
    end: tuple[str, ...]


def _row_security(random: Random, world: World) -> Interlude | None:
    """No row is visible to the processes, which must not take that for deletions."""
    if not world.restricted:
        return None
    table = random.choice([*_PLAIN, "links", "screws"])
    return Interlude(
        (f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",),
        (f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",),
    )


def _unlogged(random: Random, world: World) -> Interlude | None:
    """Changes of the table are not in the log.  A table that is published by name stays logged."""
    if not world.all_tables:
        return None
    table = random.choice(_PLAIN)
    return Interlude((f"ALTER TABLE {table} SET UNLOGGED",), (f"ALTER TABLE {table} SET LOGGED",))


def _inherited(random: Random, world: World) -> Interlude | None:
    """Rows of the child are read as the parent's, and not published as such."""
    del world
    table = random.choice(_PLAIN)
    return Interlude(
        (
            f"CREATE TABLE {table}_child () INHERITS ({table})",
            # Else no row of it can be changed while all tables are published.
            f"ALTER TABLE {table}_child REPLICA IDENTITY FULL",
        ),
        (f"DROP TABLE {table}_child",),
    )


def _detached(random: Random, world: World) -> Interlude | None:
    """A partition is a table of its own."""
    del random, world
    return Interlude(
        ("ALTER TABLE screws DETACH PARTITION screws_0",),
        ("ALTER TABLE screws ATTACH PARTITION screws_0 FOR VALUES FROM (0) TO (500)",),
    )


def _swapped(random: Random, world: World) -> Interlude | None:
    """Another table under the same name."""
    if world.restricted:
        return None  # only the owner can publish it
    table = random.choice(["kinds", "leaves"])
    return Interlude(
        (
            f"BEGIN; LOCK TABLE {table}; CREATE TABLE {table}_new (LIKE {table} INCLUDING ALL);"
            f" INSERT INTO {table}_new (id, name, rank) SELECT id, name, rank FROM {table} WHERE id % 3 <> 0;"
            f" ALTER TABLE {table} RENAME TO {table}_old; ALTER TABLE {table}_new RENAME TO {table};"
            f" DROP TABLE {table}_old; COMMIT",
        ),
        (),
    )


def _key_types(random: Random, world: World) -> Interlude | None:
    """A column that rows are found by has another type, with the same values; it may stay so."""
    table, column = random.choice([*_KEYS, *world.references])
    types = ["bigint"] if (table, column) in _KEYS else ["bigint", "numeric"]
    alter = f"ALTER TABLE {table} ALTER COLUMN {column} TYPE"
    # What no int can be may be there where a reference was wide from the start.
    narrow = (table, column) not in world.wide and random.random() < 0.5
    return Interlude((f"{alter} {random.choice(types)}",), (f"{alter} int",) if narrow else ())


INTERLUDES: Mapping[str, Callable[[Random, World], Interlude | None]] = {
    "row security": _row_security,
    "unlogged": _unlogged,
    "inherited": _inherited,
    "detached": _detached,
    "swapped": _swapped,
    "key types": _key_types,
}
"""Name -> what makes one, if the database can go through it."""
