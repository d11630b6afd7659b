"""Random transactions over the tables of `tables`: each is a list of statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from support.random_schedules.world import Place, World

_NAMED = ("kinds", "targets", "roots", "children", "leaves", "parts")
_RANKED = (*_NAMED, "screws")
_KEYED = ("targets", "roots", "children", "leaves", "screws")
_REFERENCES = {
    "roots": [("parent_id", "roots"), ("target_id", "targets")],
    "children": [("root_id", "roots"), ("target_id", "targets")],
    "targets": [("kind_id", "kinds")],
    "leaves": [("child_id", "children")],
    "parts": [("root_id", "roots")],
}
_FIRST_KEYS = 40
"""About so many keys have the first rows: below, a key is there, or it was and is gone."""
_MOST_HUGE = 2
"""So often may a schedule make a row huge: indexing more of them takes minutes, and shows no more."""
_TRUNCATED = ("children", "leaves", "links", "parts", "roots", "screws")


class Transactions:
    """An endless supply.  What it makes depends on `random` and `world` alone."""

    def __init__(self, random: Random, world: World) -> None:
        self._random = random
        self._world = world
        self._fresh: Iterator[int] = count(1000)
        self._huge_left = _MOST_HUGE
        self._usual: list[Callable[[], list[str]]] = [
            self._insert,
            self._insert,
            self._change,
            self._change,
            self._move,
            self._move,
            self._delete,
            self._come_back,
            self._new_key,
            self._link,
            self._unlink,
            self._composite,
            self._flags,
            self._codes,
            self._codes,
            self._leaf_rows,
        ]
        self._rare: list[Callable[[], list[str]]] = [
            self._swap,
            self._mass,
            self._grow,
            self._grow,
            self._come_and_go,
            self._truncate,
            self._add_column,
            self._large,
            self._huge,
            self._rename_label,
            self._rename_attribute,
            self._alter_type,
            self._replace_column,
        ]

    def next(self) -> list[str]:
        """The statements of one transaction, savepoints among them."""
        statements: list[str] = []
        for _ in range(self._random.randint(1, 4)):
            made = self._one()
            if self._random.random() < 0.1:
                back = self._random.choice(["ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s"])
                made = ["SAVEPOINT s", *made, back]
            statements += made
        return statements

    def _one(self) -> list[str]:
        rare = self._random.random() < 0.07
        return self._random.choice(self._rare if rare else self._usual)()

    def _some(self, table: str, most: int = 2) -> str:
        """A condition that up to `most` rows of a table meet."""
        key = "region, no" if table == "parts" else "id"
        salt = self._random.randrange(10**6)
        rows = self._random.randint(1, most)
        text = "region || no" if table == "parts" else "id::text"
        return (
            f"({key}) IN (SELECT {key} FROM {table} ORDER BY md5({text} || '{salt}') LIMIT {rows})"
        )

    def _reference(self, table: str, place: Place | None = None) -> str:
        """A key of some row of the table, sometimes of none, or NULL; for `place`, if it is told."""
        if self._random.random() < 0.15:
            beyond = "9007199254740994" if place in self._world.wide else "999999"
            return self._random.choice(["NULL", beyond])
        salt = self._random.randrange(10**6)
        return f"(SELECT id FROM {table} ORDER BY md5(id::text || '{salt}') LIMIT 1)"

    def _rank(self) -> str:
        return str(self._random.choice([*range(1, 10), "NULL"]))

    def _insert(self) -> list[str]:
        number, rank = next(self._fresh), self._rank()
        kind = self._random.randrange(6)
        root, target = self._reference("roots"), self._reference("targets")
        if kind == 0:
            return [
                f"INSERT INTO roots VALUES ({number}, ' New {number}', {rank}, true, false, NULL, {root}, {target})"
            ]
        if kind == 1:
            return [
                f"INSERT INTO children VALUES ({number}, {root}, {target}, 'new {number}', {rank}, {number}.5)"
            ]
        if kind == 2:
            child = self._reference("children")
            return [f"INSERT INTO leaves VALUES ({number}, {child}, NULL, {rank})"]
        if kind == 3:
            region = self._random.choice(self._world.regions)
            return [f"INSERT INTO parts VALUES ('{region}', {number}, {root}, 'new', {rank})"]
        if kind == 4:
            part = "SELECT region, no FROM parts ORDER BY md5(region || no) LIMIT 1"
            return [f"INSERT INTO screws SELECT {number}, region, no, {rank} FROM ({part}) p"]
        return [
            f"INSERT INTO targets VALUES ({number}, 'New {number}', {rank}, {self._reference('kinds')})"
        ]

    def _change(self) -> list[str]:
        table = self._random.choice(_RANKED)
        if table in _NAMED and self._random.random() < 0.5:
            name = self._random.choice(
                [
                    "NULL",
                    f"' Renamed {next(self._fresh)} '",
                    "'ä \"x\" \\\\ y'",
                    f"'{self._random.choice(self._world.texts)}'",
                ]
            )
            return [f"UPDATE {table} SET name = {name} WHERE {self._some(table)}"]
        return [f"UPDATE {table} SET rank = {self._rank()} WHERE {self._some(table, 4)}"]

    def _move(self) -> list[str]:
        table = self._random.choice(sorted(_REFERENCES))
        column, other = self._random.choice(_REFERENCES[table])
        reference = self._reference(other, (table, column))
        written = self._world.column(table, column)
        return [f"UPDATE {table} SET {written} = {reference} WHERE {self._some(table)}"]

    def _delete(self) -> list[str]:
        table = self._random.choice([*_KEYED, "parts"])
        return [f"DELETE FROM {table} WHERE {self._some(table)}"]

    def _come_back(self) -> list[str]:
        """A row with a key that was gone, or that goes within the transaction."""
        number, rank = self._random.randint(1, _FIRST_KEYS), self._rank()
        table, values = self._random.choice(
            [
                (
                    "roots",
                    f"'back', {rank}, false, false, NULL, {self._reference('roots')}, NULL",
                ),
                ("targets", f"'back', {rank}, {self._reference('kinds')}"),
                (
                    "children",
                    f"{self._reference('roots')}, {self._reference('targets')}, 'back', {rank}, 1",
                ),
                ("leaves", f"{self._reference('children')}, 'back', {rank}"),
            ]
        )
        insert = f"INSERT INTO {table} VALUES ({number}, {values}) ON CONFLICT DO NOTHING"
        if self._random.random() < 0.5:
            return [f"DELETE FROM {table} WHERE id = {number}", insert]
        return [insert]

    def _new_key(self) -> list[str]:
        table = self._random.choice(_KEYED)
        number = next(self._fresh)
        if self._random.random() < 0.3:
            number = self._random.randint(1, _FIRST_KEYS)
        free = f"NOT EXISTS (SELECT FROM {table} WHERE id = {number})"
        return [f"UPDATE {table} SET id = {number} WHERE {self._some(table, 1)} AND {free}"]

    def _swap(self) -> list[str]:
        table = self._random.choice(["roots", "children", "targets"])
        one, other = next(self._fresh), next(self._fresh)
        return [
            f"UPDATE {table} SET id = {one} WHERE {self._some(table, 1)}",
            f"UPDATE {table} SET id = {other} WHERE {self._some(table, 1)}",
            f"UPDATE {table} SET id = -1 WHERE id = {one}",
            f"UPDATE {table} SET id = {one} WHERE id = {other}",
            f"UPDATE {table} SET id = {other} WHERE id = -1",
        ]

    def _link(self) -> list[str]:
        rows = f"SELECT r.id, t.id FROM roots r, targets t ORDER BY md5(r.id || ' ' || t.id || '{next(self._fresh)}') LIMIT 2"
        return [f"INSERT INTO links {rows} ON CONFLICT DO NOTHING"]

    def _unlink(self) -> list[str]:
        some = f"SELECT root_id, target_id FROM links ORDER BY md5(root_id || ' ' || target_id || '{next(self._fresh)}') LIMIT 1"
        if self._random.random() < 0.5:
            return [f"DELETE FROM links WHERE (root_id, target_id) IN ({some})"]
        # The key of a junction row changes: both ends of both rows are concerned.
        column, other = self._random.choice([("root_id", "roots"), ("target_id", "targets")])
        found = f"SELECT id FROM {other} ORDER BY md5(id::text || '{next(self._fresh)}') LIMIT 1"
        number = f"coalesce(({found}), {next(self._fresh)})"
        return [f"UPDATE links SET {column} = {number} WHERE (root_id, target_id) IN ({some})"]

    def _composite(self) -> list[str]:
        number = next(self._fresh)
        if self._random.random() < 0.5:
            written = self._world.column("parts", "no")
            return [f"UPDATE parts SET {written} = {number} WHERE {self._some('parts', 1)}"]
        part = f"SELECT region, no FROM parts ORDER BY md5(region || no || '{number}') LIMIT 1"
        return [f"UPDATE screws SET (region, no) = ({part}) WHERE {self._some('screws')}"]

    def _flags(self) -> list[str]:
        change = self._random.choice(
            [
                "gone = NOT gone",
                "flag = NOT flag",
                "gone = NULL",
                "data = NULL",
                "data = jsonb_build_object('a', '[]'::jsonb)",
                f"data = jsonb_build_object('a', ARRAY['{self._random.choice(self._world.texts)}'])",
                "status = (enum_range(NULL::mood))[1 + (id % 3)::int]",
                "status = NULL",
                f"spot = ROW({next(self._fresh)}, '{self._random.choice(self._world.texts)}')",
                "spot = NULL",
                f"tags = tags || hstore('{self._random.choice(self._world.texts)}', '{next(self._fresh)}')",
                "tags = hstore('none', NULL)",
            ]
        )
        return [f"UPDATE roots SET {change} WHERE {self._some('roots')}"]

    def _codes(self) -> list[str]:
        """A unique column that is not the key, and one that refers to it."""
        code = self._world.code(self._random, self._random.randint(1, 20))
        number = self._random.choice([code, code, "NULL"])
        if self._random.random() < 0.5:
            return [f"UPDATE children SET target_code = {number} WHERE {self._some('children')}"]
        free = f"NOT EXISTS (SELECT FROM targets WHERE code = {number})"
        return [f"UPDATE targets SET code = {number} WHERE {self._some('targets', 1)} AND {free}"]

    def _mass(self) -> list[str]:
        table = self._random.choice(_RANKED)
        return [
            f"UPDATE {table} SET rank = (rank + 1) % 9 WHERE rank % 2 = {self._random.randrange(2)}"
        ]

    def _grow(self) -> list[str]:
        """Many rows by one statement, also with keys that were gone."""
        first, rank = self._random.choice([next(self._fresh) * 50, 1]), self._rank()
        rows = f"FROM generate_series({first}, {first + self._random.randint(10, 40)}) n"
        root = self._reference("roots")
        code = self._world.code_of("n % 20")
        made = self._random.choice(
            [
                f"roots SELECT n, 'grown', {rank}, n % 2 = 0, false, NULL, {root}, n % 10 {rows}",
                f"children SELECT n, {root}, n % 10, 'grown', {rank}, n, {code} {rows}",
                f"leaves SELECT n, {self._reference('children')}, 'grown', n % 9 {rows}",
                f"targets SELECT n, 'grown', {rank}, n % 5 {rows}",
                f"parts SELECT '{self._world.regions[0]}', n, {root}, 'grown', {rank} {rows}",
                f"links SELECT coalesce({root}, {first}), id FROM targets",
                f"screws SELECT no % 1000, region, no, {rank} FROM parts",
            ]
        )
        return [f"INSERT INTO {made} ON CONFLICT DO NOTHING"]

    def _come_and_go(self) -> list[str]:
        number = next(self._fresh)
        return [
            f"INSERT INTO children VALUES ({number}, {self._reference('roots')}, NULL, 'brief', 1, 1)",
            f"UPDATE children SET rank = 2 WHERE id = {number}",
            f"DELETE FROM children WHERE id = {number}",
        ]

    def _truncate(self) -> list[str]:
        if self._random.random() < 0.5:
            return self._mass()
        return [f"TRUNCATE {self._random.choice(_TRUNCATED)}"]

    def _add_column(self) -> list[str]:
        table = self._random.choice(_NAMED)
        return [f"ALTER TABLE {table} ADD COLUMN extra_{next(self._fresh)} int DEFAULT 7"]

    def _leaf_rows(self) -> list[str]:
        """Rows of a partition by its own name."""
        number, rank = next(self._fresh), self._rank()
        part = "SELECT region, no FROM parts ORDER BY md5(region || no) LIMIT 1"
        some = f"SELECT id FROM screws_0 ORDER BY md5(id::text || '{number}') LIMIT 2"
        return [
            self._random.choice(
                [
                    f"INSERT INTO screws_1 SELECT {number}, region, no, {rank} FROM ({part}) p",
                    f"UPDATE screws_0 SET rank = {rank} WHERE id IN ({some})",
                    f"DELETE FROM screws_0 WHERE id IN ({some})",
                ]
            )
        ]

    def _large(self) -> list[str]:
        table = self._random.choice(_NAMED)
        size = self._random.choice([40_000, 400_000])
        return [f"UPDATE {table} SET name = repeat('x', {size}) WHERE {self._some(table, 1)}"]

    def _huge(self) -> list[str]:
        """A text of 1 to 4 MB that does not compress; the last one of that table goes.

        The row leaves those that it belongs to, and few belong to it: hundreds of such documents would be a test of
        the disk.
        """
        child = self._world.column("leaves", "child_id")
        if not self._huge_left:
            return self._large()
        self._huge_left -= 1
        few = "(SELECT count(*) FROM leaves WHERE child_id = children.id) < 4"
        table, alone, where = self._random.choice(
            [
                ("children", "root_id = NULL, target_id = NULL, target_code = NULL", few),
                ("leaves", f"{child} = NULL", "true"),
                ("parts", "root_id = NULL", "true"),
            ]
        )
        pieces = self._random.randint(32, 128) * 1000
        # 32 letters each, one that is not ASCII, and one that JSON spells with two.
        text = f"(SELECT string_agg('ö\"' || substr(md5(n::text), 3), '') FROM generate_series(1, {pieces}) n)"
        return [
            f"UPDATE {table} SET name = 'was huge' WHERE length(name) > 500000",
            f"UPDATE {table} SET name = {text}, {alone} WHERE {self._some(table, 1)} AND {where}",
        ]

    def _rename_label(self) -> list[str]:
        """Every row with the label reads differently, and none is written."""
        last = "SELECT enumlabel FROM pg_enum WHERE enumtypid = 'mood'::regtype ORDER BY enumsortorder DESC LIMIT 1"
        rename = (
            f"format('ALTER TYPE mood RENAME VALUE %L TO %L', ({last}), 'done {next(self._fresh)}')"
        )
        return [f"DO $$ BEGIN EXECUTE {rename}; END $$"]

    def _rename_attribute(self) -> list[str]:
        """Every row with a value of the composite type reads differently, and none is written."""
        last = "SELECT attname FROM pg_attribute WHERE attrelid = 'spot'::regclass AND attnum = 2"
        rename = f"format('ALTER TYPE spot RENAME ATTRIBUTE %I TO %I', ({last}), 'note_{next(self._fresh)}')"
        return [f"DO $$ BEGIN EXECUTE {rename}; END $$"]

    def _alter_type(self) -> list[str]:
        """The table is rewritten, with other values."""
        table = self._random.choice(_NAMED)  # a partition that is detached would keep its type
        type_ = self._random.choice(["int", "bigint", "grade"])
        return [f"ALTER TABLE {table} ALTER COLUMN rank TYPE {type_} USING (rank + 1) % 9"]

    def _replace_column(self) -> list[str]:
        """Another column of the same name."""
        return [
            "ALTER TABLE kinds DROP COLUMN name",
            f"ALTER TABLE kinds ADD COLUMN name text DEFAULT 'again {next(self._fresh)}'",
        ]


def changes_catalog(statements: list[str]) -> bool:
    """Whether what rows read as may change without a change of a row: this is noticed some time later."""
    return any("ALTER T" in statement and "extra_" not in statement for statement in statements)
