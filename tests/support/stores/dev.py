"""The dev store in a scratch database, and every kind of edit that can leave a document stale.

`Editor` makes the structural edits: rows that go, rows that move to another parent, junction rows, new
primary keys, whole trees deleted in dependency order.  Its choices follow from the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql

ROOT = Path(__file__).parents[3]
_DEV = ROOT / "dev"


def load_store(database_url: str) -> None:
    """Create the ten tables and their seed."""
    create_tables(database_url)
    _run_file(database_url, _DEV / "sql" / "02_seed.sql")


def create_tables(database_url: str) -> None:
    """Create the ten tables, empty."""
    _run_file(database_url, _DEV / "sql" / "01_schema.sql")


def run_changes(database_url: str) -> None:
    """The ten steps of `changes.sql`."""
    _run_file(database_url, _DEV / "changes.sql")


def simulate_production(database_url: str, operations: int) -> None:
    """The production-like load of `load.sql`, in transactions of 20 operations; returns when it is over."""
    _run_file(database_url, _DEV / "load.sql")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CALL simulate_production(duration_secs => 3600, sleep_ms => 20, most_ops => %s)",
            (operations,),
        )


def truncate(database_url: str, *tables: str) -> None:
    """Empty `tables` in one statement."""
    names = sql.SQL(", ").join(sql.Identifier(table) for table in tables)
    with psycopg.connect(database_url) as connection:
        connection.execute(sql.SQL("TRUNCATE {}").format(names))


def grow(database_url: str, users: int, first: int = 10_000) -> None:
    """Add `users` users with all that belongs to them, so that a seed takes a while."""
    _run_file(database_url, ROOT / "bench" / "volume.sql")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CALL grow(%s, %s)", (first, users))
        connection.execute("ANALYZE")


def _run_file(database_url: str, path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(path.read_bytes())


class Editor:
    """Edits rows, one transaction per edit, over a connection of its own.  A context manager."""

    def __init__(self, database_url: str, seed: int) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._random = Random(seed)
        self._edits: dict[str, Callable[[], None]] = {
            "update a user": self._update_user,
            "soft-delete or restore a user": self._toggle_user,
            "update a product": self._update_product,
            "update an item": self._update_item,
            "cancel or reopen an order": self._toggle_order,
            "insert an order": self._insert_order,
            "insert a user": self._insert_user,
            "insert a review": self._insert_review,
            "insert a product": self._insert_product,
            "delete an item": lambda: self._delete("order_items"),
            "delete an address": lambda: self._delete("addresses"),
            "delete a review": lambda: self._delete("reviews"),
            "delete a profile": self._delete_profile,
            "move an item": lambda: self._move("order_items", "order_id", "orders"),
            "move an order": lambda: self._move("orders", "user_id", "users"),
            "move an address": lambda: self._move("addresses", "user_id", "users"),
            "move a review": lambda: self._move("reviews", "product_id", "products"),
            "detach a review": lambda: self._set_null("reviews", "user_id"),
            "detach a product": lambda: self._set_null("products", "category_id"),
            "move a profile": self._move_profile,
            "tag a product": self._tag,
            "untag a product": self._untag,
            "move a tag": self._move_tag,
            "rename a tag": self._rename_tag,
            "renumber an item": lambda: self._renumber("order_items"),
            "renumber a review": lambda: self._renumber("reviews"),
            "renumber a user": self._renumber_user,
            "delete an order": self._delete_order,
            "delete a user": self._delete_user,
            "delete a product": self._delete_product,
            "many edits at once": self._many,
            "roll back": self._roll_back,
        }

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def edit_everything(self) -> None:
        """Every edit once, in the order of their names here."""
        for edit in self._edits.values():
            with self._connection.transaction():
                edit()

    def edit(self) -> str:
        """One edit of a random kind; gives its name."""
        name = self._random.choice(list(self._edits))
        with self._connection.transaction():
            self._edits[name]()
        return name

    # --- values ---------------------------------------------------------------------------------

    def _update_user(self) -> None:
        tier = self._random.choice(("free", "plus", "pro"))
        email = f"  User{self._random.randrange(10**6)}@Example.ORG "
        self._execute(
            "UPDATE users SET tier = %s, email = %s WHERE id = %s", tier, email, self._pick("users")
        )

    def _toggle_user(self) -> None:
        self._execute("UPDATE users SET deleted = NOT deleted WHERE id = %s", self._pick("users"))

    def _update_product(self) -> None:
        cents = self._random.randrange(1, 10**6)
        self._execute(
            "UPDATE products SET price = %s::numeric / 100, description = %s WHERE id = %s",
            cents,
            'line one\nline "two"\t\u2028 \u00e9\U0001f600' if cents % 3 else None,
            self._pick("products"),
        )

    def _update_item(self) -> None:
        self._execute(
            "UPDATE order_items SET quantity = %s WHERE id = %s",
            self._random.randrange(1, 99),
            self._pick("order_items"),
        )

    def _toggle_order(self) -> None:
        self._execute(
            "UPDATE orders SET status = CASE status WHEN 'cancelled' THEN 'delivered'"
            " ELSE 'cancelled' END WHERE id = %s",
            self._pick("orders"),
        )

    # --- new rows -------------------------------------------------------------------------------

    def _insert_user(self) -> None:
        user = self._next("users")
        self._execute(
            "INSERT INTO users (id, email, full_name, country) VALUES (%s, %s, 'New User', 'NO')",
            user,
            f"NEW{user}@example.org",
        )
        self._execute("INSERT INTO profiles (user_id, birth_date) VALUES (%s, '1990-02-03')", user)
        self._execute(
            "INSERT INTO addresses (id, user_id, kind, line1, city)"
            " VALUES (%s, %s, 'home', '1 New Street', 'Bergen')",
            self._next("addresses"),
            user,
        )
        self._insert_order(user)

    def _insert_order(self, user: int | None = None) -> None:
        order = self._next("orders")
        self._execute(
            "INSERT INTO orders (id, user_id, status, total, placed_at)"
            " VALUES (%s, %s, 'pending', %s::numeric / 100, now())",
            order,
            user or self._pick("users"),
            self._random.randrange(10**6),
        )
        for _ in range(self._random.randrange(3)):
            self._execute(
                "INSERT INTO order_items (id, order_id, product_id, quantity, unit_price)"
                " VALUES (%s, %s, %s, 2, 9.90)",
                self._next("order_items"),
                order,
                self._pick("products"),
            )

    def _insert_product(self) -> None:
        product = self._next("products")
        self._execute(
            "INSERT INTO products (id, sku, name, price, created_at)"
            " VALUES (%s, %s, 'New Product', 12.30, now())",
            product,
            f"NEW-{product}",
        )

    def _insert_review(self) -> None:
        self._execute(
            "INSERT INTO reviews (id, product_id, user_id, rating, body, created_at)"
            " VALUES (%s, %s, %s, %s, NULL, now())",
            self._next("reviews"),
            self._pick("products"),
            self._pick("users"),
            self._random.randrange(1, 6),
        )

    # --- rows that go ---------------------------------------------------------------------------

    def _delete_profile(self) -> None:
        if self._few("profiles"):
            return
        self._execute("DELETE FROM profiles WHERE user_id = %s", self._pick("profiles", "user_id"))

    def _delete_order(self) -> None:
        if self._few("orders"):
            return
        order = self._pick("orders")
        self._execute("DELETE FROM order_items WHERE order_id = %s", order)
        self._execute("DELETE FROM orders WHERE id = %s", order)

    def _delete_user(self) -> None:
        if self._few("users"):
            return
        user = self._pick("users")
        self._execute(
            "DELETE FROM order_items USING orders o WHERE o.id = order_id AND o.user_id = %s", user
        )
        self._execute("DELETE FROM orders WHERE user_id = %s", user)
        self._execute("UPDATE reviews SET user_id = NULL WHERE user_id = %s", user)
        self._execute("DELETE FROM profiles WHERE user_id = %s", user)
        self._execute("DELETE FROM addresses WHERE user_id = %s", user)
        self._execute("DELETE FROM users WHERE id = %s", user)

    def _delete_product(self) -> None:
        if self._few("products"):
            return
        product = self._pick("products")
        self._execute("DELETE FROM product_tags WHERE product_id = %s", product)
        self._execute("DELETE FROM reviews WHERE product_id = %s", product)
        self._execute("DELETE FROM order_items WHERE product_id = %s", product)
        self._execute("DELETE FROM products WHERE id = %s", product)

    # --- rows that move -------------------------------------------------------------------------

    def _move_profile(self) -> None:
        """The profile's key is its link: this is a new primary key and a new parent at once."""
        self._execute(
            "UPDATE profiles SET user_id = (SELECT min(u.id) FROM users u WHERE NOT EXISTS"
            " (SELECT FROM profiles p WHERE p.user_id = u.id)) WHERE user_id = %s",
            self._pick("profiles", "user_id"),
        )

    def _renumber_user(self) -> None:
        """A new root key; a row that others refer to is inserted again under it, and its children are moved."""
        old, new = self._pick("users"), self._next("users")
        self._execute(
            "INSERT INTO users (id, email, full_name, tier, country, created_at, deleted)"
            " SELECT %s, email, full_name, tier, country, created_at, deleted FROM users"
            " WHERE id = %s",
            new,
            old,
        )
        for table in ("orders", "addresses", "profiles", "reviews"):
            self._statement("UPDATE {} SET user_id = %s WHERE user_id = %s", table, new, old)
        # Now nothing refers to the old row: a plain change of its key, then it goes.
        spare = self._next("users")
        self._execute("UPDATE users SET id = %s WHERE id = %s", spare, old)
        if self._random.random() < 0.5:
            self._execute("DELETE FROM users WHERE id = %s", spare)

    # --- the junction ---------------------------------------------------------------------------

    def _tag(self) -> None:
        self._execute(
            "INSERT INTO product_tags (product_id, tag_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            self._pick("products"),
            self._pick("tags"),
        )

    def _untag(self) -> None:
        if self._few("product_tags"):
            return
        self._execute(
            "DELETE FROM product_tags WHERE ctid = (SELECT ctid FROM product_tags"
            " ORDER BY product_id, tag_id OFFSET %s LIMIT 1)",
            self._random.randrange(self._count("product_tags")),
        )

    def _move_tag(self) -> None:
        """Another product for a junction row, where that pair is free."""
        self._execute(
            "UPDATE product_tags SET product_id = free.product_id FROM ("
            "  SELECT l.ctid AS place, p.id AS product_id FROM product_tags l CROSS JOIN products p"
            "  WHERE NOT EXISTS (SELECT FROM product_tags o"
            "    WHERE o.product_id = p.id AND o.tag_id = l.tag_id)"
            "  ORDER BY p.id, l.product_id, l.tag_id OFFSET %s LIMIT 1"
            ") free WHERE product_tags.ctid = free.place",
            self._random.randrange(20),
        )

    def _rename_tag(self) -> None:
        label = f"label{self._random.randrange(100)}"
        self._execute("UPDATE tags SET label = %s WHERE id = %s", label, self._pick("tags"))

    # --- transactions ---------------------------------------------------------------------------

    def _many(self) -> None:
        """Many rows of one transaction, in several tables."""
        self._execute("UPDATE order_items SET quantity = quantity + 1 WHERE id %% 7 = 3")
        self._execute("UPDATE orders SET total = total + 1 WHERE id %% 7 = 3")
        self._execute("UPDATE users SET full_name = full_name || '.' WHERE id %% 7 = 3")

    def _roll_back(self) -> None:
        """What never happened must not show, whether a savepoint or a whole subtransaction."""
        with self._connection.transaction(force_rollback=True):
            self._delete("order_items")
            self._update_user()
        self._update_item()

    # --- small steps ----------------------------------------------------------------------------

    def _execute(self, query: str, *parameters: Any) -> None:
        self._connection.execute(query.encode(), parameters)

    def _statement(self, query: str, table: str, *parameters: Any) -> None:
        # The texts are this module's own.
        text = sql.SQL(query).format(sql.Identifier(table))  # type: ignore[arg-type, unused-ignore]
        self._connection.execute(text, parameters)

    def _delete(self, table: str) -> None:
        if self._few(table):
            return
        self._statement("DELETE FROM {} WHERE id = %s", table, self._pick(table))

    def _move(self, table: str, column: str, parents: str) -> None:
        query = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(
            sql.Identifier(table), sql.Identifier(column)
        )
        self._connection.execute(query, (self._pick(parents), self._pick(table)))

    def _set_null(self, table: str, column: str) -> None:
        query = sql.SQL("UPDATE {} SET {} = NULL WHERE id = %s").format(
            sql.Identifier(table), sql.Identifier(column)
        )
        self._connection.execute(query, (self._pick(table),))

    def _renumber(self, table: str) -> None:
        new, old = self._next(table), self._pick(table)
        self._statement("UPDATE {} SET id = %s WHERE id = %s", table, new, old)

    def _pick(self, table: str, column: str = "id") -> int:
        """A random row's key; one that no row has when there is none: others may go with their parents."""
        query = sql.SQL("SELECT {0} FROM {1} ORDER BY {0} OFFSET %s LIMIT 1").format(
            sql.Identifier(column), sql.Identifier(table)
        )
        count = self._count(table)
        if not count:
            return -1
        place = self._random.randrange(count)
        return self._number(self._connection.execute(query, (place,)))

    def _count(self, table: str) -> int:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        return self._number(self._connection.execute(query))

    def _few(self, table: str) -> bool:
        """Whether `table` is so small that nothing more should go."""
        return self._count(table) < 3

    def _next(self, table: str) -> int:
        query = sql.SQL("SELECT coalesce(max(id), 0) + 1 FROM {}").format(sql.Identifier(table))
        return self._number(self._connection.execute(query))

    @staticmethod
    def _number(cursor: psycopg.Cursor[Any]) -> int:
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])
