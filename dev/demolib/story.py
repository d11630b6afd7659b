"""What the demonstration shows: ten changes once, then one change to a child row, every time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from demolib import display
from demolib.search import Search
from stacklib.layout import ROOT
from stacklib.problem import Problem

_DEADLINE = 60.0
_POLL = 0.002
_CHANGES = ROOT / "dev" / "changes.sql"

Document = dict[str, Any]

_ITEM = sql.SQL("""\
BEGIN;
UPDATE order_items SET quantity = {quantity} WHERE id = {item};
UPDATE orders SET total = total + (SELECT unit_price FROM order_items WHERE id = {item}) WHERE id = {order};
COMMIT;""")
_REVIEW = sql.SQL("UPDATE reviews SET rating = {rating} WHERE id = {review};")


class Story:
    """Changes rows and shows what becomes of the documents."""

    def __init__(self, database_url: str, search: Search) -> None:
        self._database_url = database_url
        self._search = search

    def ten_changes(self) -> None:
        """Run `changes.sql`, unless an earlier demonstration has."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            if connection.execute("SELECT FROM users WHERE id = 5").fetchone() is not None:
                display.say("The ten changes of dev/changes.sql are there from an earlier run.")
                return
            connection.execute(_CHANGES.read_bytes())
        began = time.monotonic()
        self._wait("the ten changes", self._changes_show)
        display.say(
            f"dev/changes.sql has run, and showed in the documents {_elapsed(began)} later:"
        )
        for line in (
            "users/5 has appeared, users/3 is gone (a soft delete), users/4 has a profile",
            "users/1 has a new order with three of its item, and a cancelled one less",
            "orders/11 is cancelled, orders/15 is there",
            "products/5 has another review, products/1 another tag, products/3 another price",
        ):
            display.say(f"  - {line}")

    def one_child_row(self) -> None:
        """Raise the quantity of an item that user 1 has ordered; every document with it follows."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            item, order, product, quantity = _newest_item(connection)
            user_before = self._document("users", 1)
            order_before = self._document("orders", order)
            display.heading("users/1, as it is now")
            display.document(user_before)

            update = _ITEM.format(quantity=quantity + 1, item=item, order=order)
            display.heading("A change to a child row")
            display.sql(update.as_string(connection))
            connection.execute(update)
            began = time.monotonic()
            user = self._changed("users", 1, user_before)
            display.heading(f"users/1, {_elapsed(began)} after the commit")
            display.changed(user_before, user)

            display.heading("The same change, in the other index with that row")
            order_now = self._changed("orders", order, order_before)
            display.differences(f"orders/{order}", order_before, order_now)
            self._one_review(connection, product)

    def _one_review(self, connection: psycopg.Connection[Any], product: int) -> None:
        """A product's document has no order items; it has reviews."""
        display.heading("A change to another child row, in the index of products")
        row = connection.execute(
            "SELECT id, product_id, rating FROM reviews WHERE product_id = %s"
            " UNION ALL SELECT id, product_id, rating FROM reviews ORDER BY 1 LIMIT 1",
            (product,),
        ).fetchone()
        assert row is not None
        review, reviewed, rating = row
        before = self._document("products", reviewed)
        update = _REVIEW.format(rating=rating % 5 + 1, review=review)
        display.sql(update.as_string(connection))
        connection.execute(update)
        after = self._changed("products", reviewed, before)
        display.differences(f"products/{reviewed}", before, after)

    def _changes_show(self) -> bool:
        """Whether every document that the ten changes touch is as they left it."""
        users = {key: self._search.document("users", key) or {} for key in (1, 2, 3, 4, 5)}
        orders = {key: self._search.document("orders", key) or {} for key in (11, 15)}
        products = {key: self._search.document("products", key) or {} for key in (1, 3, 5)}
        return (
            bool(users[5])
            and not users[3]
            and users[2].get("email") == "jonas@lind.example.com"
            and bool(users[4].get("profile"))
            and [order["total"] for order in users[1].get("orders", ())][:1] == [144]
            and orders[15].get("unitsSold") == 3
            and orders[11].get("status") == "cancelled"
            and {"label": "sale"} in products[1].get("tags", ())
            and products[3].get("pricing", {}).get("amount") == 589
            and any(review["userId"] == 2 for review in products[5].get("reviews", ()))
        )

    def _document(self, index: str, key: int) -> Document:
        found = self._search.document(index, key)
        if found is None:
            raise Problem(f"There is no document {index}/{key}. Start afresh: ./dev/stack wipe")
        return found

    def _changed(self, index: str, key: int, before: Document) -> Document:
        self._wait(
            f"the change in {index}/{key}",
            lambda: self._search.document(index, key) not in (before, None),
        )
        return self._document(index, key)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _DEADLINE
        while not condition():
            if time.monotonic() > end:
                raise Problem(
                    f"OpenSearch did not show {what} within {_DEADLINE:.0f} s.\n"
                    "  The logs are in .dev/demo/*/log."
                )
            time.sleep(_POLL)


def _newest_item(connection: psycopg.Connection[Any]) -> tuple[int, int, int, int]:
    """An item of the last order of user 1 that was not cancelled: id, order, product, quantity."""
    row = connection.execute(
        "SELECT i.id, i.order_id, i.product_id, i.quantity"
        " FROM order_items i JOIN orders o ON o.id = i.order_id"
        " WHERE o.user_id = 1 AND o.status <> 'cancelled' ORDER BY o.placed_at DESC, i.id LIMIT 1"
    ).fetchone()
    if row is None:
        raise Problem("User 1 has no orders. Start afresh: ./dev/stack wipe")
    item, order, product, quantity = row
    return item, order, product, quantity


def _elapsed(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"
