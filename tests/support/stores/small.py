"""A small schema with every kind of way to the root, and changes as capture would publish them."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from flusso_shared.change import Change, Image, Op, Origin
from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    ColumnField,
    Edge,
    FieldMapping,
    Hop,
    IndexPlan,
    JoinField,
    Junction,
    OrderBy,
    RawCondition,
    Way,
)

USERS = TableName("public", "users")
ORDERS = TableName("public", "orders")
ITEMS = TableName("public", "items")
TAGS = TableName("public", "tags")
USER_TAGS = TableName("public", "user_tags")

_TABLES = """
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, total int NOT NULL DEFAULT 1, parts int NOT NULL DEFAULT 1);
CREATE TABLE orders (id int PRIMARY KEY, user_id int, status text NOT NULL DEFAULT 'new');
CREATE TABLE items (id int PRIMARY KEY, order_id int, quantity int NOT NULL DEFAULT 1);
CREATE TABLE tags (id int PRIMARY KEY, label text NOT NULL);
CREATE TABLE user_tags (user_id int, tag_id int, PRIMARY KEY (user_id, tag_id));
CREATE INDEX ON orders (user_id);
CREATE INDEX ON items (order_id);
CREATE INDEX ON user_tags (tag_id);
"""


def _text(key: str, column: str | None = None) -> ColumnField:
    return ColumnField(key, "keyword", column or key, FieldMapping("keyword"), nullable=True)


def _number(key: str) -> ColumnField:
    return ColumnField(key, "integer", key, FieldMapping("integer"), nullable=False)


_ITEMS = JoinField(
    "items",
    "has_many",
    Edge(ITEMS, ("id",), ("order_id",), order_by=(OrderBy("id"),)),
    ("id",),
    (_number("id"), _number("quantity")),
    FieldMapping("object"),
    nullable=False,
)
_ORDERS = JoinField(
    "orders",
    "has_many",
    Edge(ORDERS, ("id",), ("user_id",), order_by=(OrderBy("id"),)),
    ("id",),
    (_number("id"), _text("status"), _ITEMS),
    FieldMapping("object"),
    nullable=False,
)
_TAGS = JoinField(
    "tags",
    "many_to_many",
    Edge(
        TAGS,
        ("id",),
        ("id",),
        Junction(USER_TAGS, ("user_id",), ("tag_id",)),
        order_by=(OrderBy("id"),),
    ),
    ("id",),
    (_number("id"), _text("label")),
    FieldMapping("object"),
    nullable=False,
)

PLAN = IndexPlan(
    name="users",
    hash="0a1b2c3d",
    root=USERS,
    key=("id",),
    fields=(_number("id"), _text("name"), _ORDERS, _TAGS),
    soft_delete=None,
    filters=(RawCondition("total / parts >= 0"),),  # fails for a row with parts = 0
    ways=(
        Way(USERS, ("id",), (), ""),
        Way(ORDERS, ("user_id",), (), "orders"),
        Way(ITEMS, ("order_id",), (Hop(ORDERS, ("id",), ("user_id",)),), "orders.items"),
        Way(USER_TAGS, ("user_id",), (), "tags"),
        Way(TAGS, ("id",), (Hop(USER_TAGS, ("tag_id",), ("user_id",)),), "tags"),
    ),
    schema_file="users.schema.yml",
)

MAPPING = {
    "settings": {"number_of_replicas": 0},
    "mappings": {"dynamic": True, "properties": {"name": {"type": "keyword"}}},
}


def create(url: str) -> None:
    """Make the tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLES)


def fill(url: str, users: int) -> None:
    """`users` users, each with two orders of two items each, and one tag of three."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO users SELECT u, 'name ' || u FROM generate_series(1, %s) u", (users,)
        )
        connection.execute(
            "INSERT INTO orders SELECT u * 2 + n, u, 'new'"
            " FROM generate_series(1, %s) u, generate_series(0, 1) n",
            (users,),
        )
        connection.execute(
            "INSERT INTO items SELECT o * 2 + n, o, 1"
            " FROM generate_series(2, %s) o, generate_series(0, 1) n",
            (users * 2 + 1,),
        )
        connection.execute("INSERT INTO tags VALUES (0, 'red'), (1, 'green'), (2, 'blue')")
        connection.execute(
            "INSERT INTO user_tags SELECT u, u %% 3 FROM generate_series(1, %s) u", (users,)
        )
        connection.execute("ANALYZE")


def change(
    table: TableName,
    key: Iterable[object],
    before: Image | None = None,
    after: Image | None = None,
    op: Op = Op.UPDATE,
    xid: int = 0,
    origin: Origin | None = None,
) -> Change:
    """A change of one row; snapshot rows and tests that need no gate leave the transaction out."""
    return Change(
        op,
        table,
        tuple(str(value) for value in key),
        before,
        after,
        xid=xid,
        origin=origin or Origin("", 0),
    )
