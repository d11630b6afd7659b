"""What the three dev indexes must hold, computed the slow and obvious way.

Whole tables are read as typed Python values and nested by hand.  Nothing here comes from the product: no
plan, no schema file, no SQL beyond `SELECT * FROM table`.  Values are given as JSON values that
`compare` understands:

* numbers are `int` and `Decimal`, compared by value and exactly (`12.50` equals `12.5`);
* an average is an `Average`: Postgres rounds the quotient to at least 16 significant digits, so an
  answer within 1e-14 of the exact fraction is the same;
* a timestamp is the text that `to_json` prints in UTC, `2024-02-03T02:05:06.789+00:00`, without
  trailing zeros in the fraction; a date is `2024-02-03`;
* `char(n)` comes without its padding;
* an array with a total order is a list; one that has none is an `AnyOrder`, compared as a multiset, and
  where an order is promised the sequence of its sort values must be right as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = Mapping[str, Any]
Document = dict[str, Any]
Documents = dict[str, Document]

TABLES = (
    "users",
    "profiles",
    "addresses",
    "categories",
    "products",
    "tags",
    "product_tags",
    "orders",
    "order_items",
    "reviews",
)


@dataclass(frozen=True)
class AnyOrder:
    """An array whose elements count and whose order does not, but for the values of the key `by`."""

    items: list[Any]
    by: str | None = None


@dataclass(frozen=True)
class Average:
    """The exact average that a rounded one must be close to."""

    exact: Fraction


@dataclass(frozen=True)
class Store:
    """All rows of all tables, from one snapshot."""

    tables: Mapping[str, list[Row]]
    label_rank: Mapping[str, int]
    """Where each label stands in the database's own collation."""

    def by(self, table: str, column: str) -> dict[Any, list[Row]]:
        """The rows of `table`, grouped by the value of `column`."""
        groups: dict[Any, list[Row]] = defaultdict(list)
        for row in self.tables[table]:
            groups[row[column]].append(row)
        return groups


def read_store(database_url: str) -> Store:
    """Read every table, in one transaction that sees one state of the database."""
    with (
        psycopg.connect(database_url) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        cursor.execute("SET TIME ZONE 'UTC'")
        tables: dict[str, list[Row]] = {
            name: list(cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))))
            for name in TABLES
        }
        labels = cursor.execute("SELECT label FROM tags GROUP BY label ORDER BY label")
        return Store(tables, {row["label"]: rank for rank, row in enumerate(labels)})


def expected(database_url: str) -> dict[str, Documents]:
    """Per index the documents that it must hold now, by id."""
    store = read_store(database_url)
    return {"users": users(store), "products": products(store), "orders": orders(store)}


# --- the three indexes ----------------------------------------------------------------------------


def users(store: Store) -> Documents:
    """Users that are not soft-deleted."""
    profiles = store.by("profiles", "user_id")
    addresses = store.by("addresses", "user_id")
    orders_of = store.by("orders", "user_id")
    items_of = store.by("order_items", "order_id")
    documents: Documents = {}
    for row in store.tables["users"]:
        if row["deleted"]:
            continue
        own = orders_of.get(row["id"], [])
        documents[str(row["id"])] = {
            "id": row["id"],
            "email": _trim(row["email"].lower()),
            "fullName": row["full_name"],
            "account": {
                "tier": row["tier"],
                "country": _char(row["country"]),
                "createdAt": _timestamp(row["created_at"]),
            },
            "profile": _profile(profiles.get(row["id"], [])),
            "addresses": [_address(item) for item in _sorted(addresses.get(row["id"], []), "id")],
            "orders": _user_orders(own, items_of),
            "orderCount": len(own),
            "deliveredOrders": sum(1 for order in own if order["status"] == "delivered"),
            "lifetimeValue": _sum(order["total"] for order in own),
            "avgOrderValue": _average(order["total"] for order in own),
            "lastOrderAt": _timestamp(_extreme(max, (order["placed_at"] for order in own))),
        }
    return documents


def products(store: Store) -> Documents:
    """All products."""
    tag_by_id = {tag["id"]: tag for tag in store.tables["tags"]}
    tagged = store.by("product_tags", "product_id")
    reviews_of = store.by("reviews", "product_id")
    documents: Documents = {}
    for row in store.tables["products"]:
        labels = [tag_by_id[link["tag_id"]]["label"] for link in tagged.get(row["id"], [])]
        labels.sort(key=store.label_rank.__getitem__)
        reviews = reviews_of.get(row["id"], [])
        ratings = [review["rating"] for review in reviews]
        documents[str(row["id"])] = {
            "id": row["id"],
            "sku": row["sku"],
            "name": row["name"],
            "description": row["description"],
            "title": row["title"],
            "inStock": row["in_stock"],
            "categoryId": row["category_id"],
            "createdAt": _timestamp(row["created_at"]),
            "pricing": {"amount": row["price"], "currency": _char(row["currency"])},
            "tags": [{"label": label} for label in labels],
            "reviews": AnyOrder(
                [
                    {
                        "rating": review["rating"],
                        "body": review["body"],
                        "userId": review["user_id"],
                        "createdAt": _timestamp(review["created_at"]),
                    }
                    for review in _sorted(reviews, "created_at", descending=True)
                ],
                by="createdAt",
            ),
            "reviewCount": len(reviews),
            "avgRating": _average(ratings),
            "minRating": _extreme(min, ratings),
            "maxRating": _extreme(max, ratings),
        }
    return documents


def orders(store: Store) -> Documents:
    """All orders."""
    items_of = store.by("order_items", "order_id")
    documents: Documents = {}
    for row in store.tables["orders"]:
        items = _sorted(items_of.get(row["id"], []), "id")
        documents[str(row["id"])] = {
            "id": row["id"],
            "userId": row["user_id"],
            "status": row["status"],
            "total": row["total"],
            "timeline": {
                "placedAt": _timestamp(row["placed_at"]),
                "shippedAt": _timestamp(row["shipped_at"]),
            },
            "items": [_item(item) for item in items],
            "itemCount": len(items),
            "unitsSold": _sum(item["quantity"] for item in items),
        }
    return documents


# --- parts of documents ---------------------------------------------------------------------------


def _profile(rows: list[Row]) -> Document | None:
    if not rows:
        return None
    return {
        "bio": rows[0]["bio"],
        "avatarUrl": rows[0]["avatar_url"],
        "birthDate": _date(rows[0]["birth_date"]),
    }


def _address(row: Row) -> Document:
    return {
        "kind": row["kind"],
        "line1": row["line1"],
        "city": row["city"],
        "postalCode": row["postal_code"],
        "country": _char(row["country"]),
    }


def _user_orders(rows: list[Row], items_of: Mapping[Any, list[Row]]) -> AnyOrder:
    kept = [row for row in rows if row["status"] != "cancelled"]
    return AnyOrder(
        [
            {
                "status": row["status"],
                "total": row["total"],
                "placedAt": _timestamp(row["placed_at"]),
                "items": AnyOrder([_item(item) for item in items_of.get(row["id"], [])]),
            }
            for row in _sorted(kept, "placed_at", descending=True)
        ],
        by="placedAt",
    )


def _item(row: Row) -> Document:
    return {
        "productId": row["product_id"],
        "quantity": row["quantity"],
        "unitPrice": row["unit_price"],
    }


# --- values ---------------------------------------------------------------------------------------


def _sorted(rows: list[Row], column: str, descending: bool = False) -> list[Row]:
    return sorted(rows, key=lambda row: row[column], reverse=descending)


def _trim(value: str) -> str:
    return value.strip(" ")


def _char(value: str | None) -> str | None:
    return None if value is None else value.rstrip(" ")


def _date(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _timestamp(value: datetime | None) -> str | None:
    if value is None:
        return None
    at = value.astimezone(UTC)
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"


def _sum(values: Iterable[Any]) -> int | Decimal | None:
    found = list(values)
    return sum(found) if found else None


def _average(values: Iterable[Any]) -> Average | None:
    found = [Fraction(value) for value in values]
    return Average(sum(found, Fraction(0)) / len(found)) if found else None


def _extreme(pick: Callable[[list[Any]], Any], values: Iterable[Any]) -> Any:
    found = list(values)
    return pick(found) if found else None
