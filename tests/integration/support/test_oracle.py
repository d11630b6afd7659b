"""The oracle agrees with documents written out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import psycopg
import pytest

from support.expected import oracle
from support.expected.oracle import AnyOrder, Average
from support.stores import dev as store

pytestmark = pytest.mark.services

ROWS = """
INSERT INTO users (id, email, full_name, tier, country, created_at, deleted) VALUES
  (1, '  Ada@Example.COM ', 'Ada', 'pro', 'GB', '2024-02-03 04:05:06.789+02', false),
  (2, 'bob@example.com', NULL, 'free', NULL, '2024-02-03 00:00:00+00', false),
  (3, 'gone@example.com', 'Gone', 'free', NULL, '2024-02-03 00:00:00+00', true);
INSERT INTO profiles (user_id, bio, avatar_url, birth_date) VALUES (1, 'Counts.', NULL, '1815-12-10');
INSERT INTO addresses (id, user_id, kind, line1, city, postal_code, country) VALUES
  (11, 1, 'billing', '2 Second St', 'London', NULL, 'GB'),
  (10, 1, 'shipping', '1 First St', 'London', 'W1', 'GB');
INSERT INTO categories (id, name, slug) VALUES (1, 'Books', 'books');
INSERT INTO products (id, sku, name, description, price, currency, in_stock, category_id, created_at) VALUES
  (1, 'B-1', 'Book', NULL, 12.50, 'EUR', true, 1, '2024-01-01 00:00:00.5+00'),
  (2, 'B-2', 'Pen', 'Blue', 1, 'USD', false, NULL, '2024-01-01 00:00:00+00');
INSERT INTO tags (id, label) VALUES (1, 'sale'), (2, 'new');
INSERT INTO product_tags (product_id, tag_id) VALUES (1, 1), (1, 2);
INSERT INTO orders (id, user_id, status, total, placed_at, shipped_at) VALUES
  (1, 1, 'delivered', 26.00, '2024-03-01 00:00:00+00', '2024-03-02 00:00:00+00'),
  (2, 1, 'pending', 1.00, '2024-03-05 00:00:00+00', NULL),
  (3, 1, 'cancelled', 100.00, '2024-03-09 00:00:00+00', NULL);
INSERT INTO order_items (id, order_id, product_id, quantity, unit_price) VALUES
  (2, 1, 2, 1, 1.00), (1, 1, 1, 2, 12.50), (3, 2, 2, 1, 1.00);
INSERT INTO reviews (id, product_id, user_id, rating, body, created_at) VALUES
  (1, 1, 1, 5, 'Good', '2024-04-01 00:00:00+00'),
  (2, 1, NULL, 2, NULL, '2024-04-02 00:00:00+00'),
  (3, 1, 2, 3, 'Fair', '2024-04-03 00:00:00+00');
"""

FIRST_ITEM = {"productId": 1, "quantity": 2, "unitPrice": Decimal("12.50")}
SECOND_ITEM = {"productId": 2, "quantity": 1, "unitPrice": Decimal("1.00")}

ADA = {
    "id": 1,
    "email": "ada@example.com",
    "fullName": "Ada",
    "account": {"tier": "pro", "country": "GB", "createdAt": "2024-02-03T02:05:06.789+00:00"},
    "profile": {"bio": "Counts.", "avatarUrl": None, "birthDate": "1815-12-10"},
    "addresses": [
        {
            "kind": "shipping",
            "line1": "1 First St",
            "city": "London",
            "postalCode": "W1",
            "country": "GB",
        },
        {
            "kind": "billing",
            "line1": "2 Second St",
            "city": "London",
            "postalCode": None,
            "country": "GB",
        },
    ],
    "orders": AnyOrder(
        [
            {
                "status": "pending",
                "total": Decimal("1.00"),
                "placedAt": "2024-03-05T00:00:00+00:00",
                "items": AnyOrder([SECOND_ITEM]),
            },
            {
                "status": "delivered",
                "total": Decimal("26.00"),
                "placedAt": "2024-03-01T00:00:00+00:00",
                "items": AnyOrder([SECOND_ITEM, FIRST_ITEM]),
            },
        ],
        by="placedAt",
    ),
    "orderCount": 3,
    "deliveredOrders": 1,
    "lifetimeValue": Decimal("127.00"),
    "avgOrderValue": Average(Fraction(127, 3)),
    "lastOrderAt": "2024-03-09T00:00:00+00:00",
}

BOB = {
    "id": 2,
    "email": "bob@example.com",
    "fullName": None,
    "account": {"tier": "free", "country": None, "createdAt": "2024-02-03T00:00:00+00:00"},
    "profile": None,
    "addresses": [],
    "orders": AnyOrder([], by="placedAt"),
    "orderCount": 0,
    "deliveredOrders": 0,
    "lifetimeValue": None,
    "avgOrderValue": None,
    "lastOrderAt": None,
}

BOOK = {
    "id": 1,
    "sku": "B-1",
    "name": "Book",
    "description": None,
    "title": {},
    "inStock": True,
    "categoryId": 1,
    "createdAt": "2024-01-01T00:00:00.5+00:00",
    "pricing": {"amount": Decimal("12.50"), "currency": "EUR"},
    "tags": [{"label": "new"}, {"label": "sale"}],
    "reviews": AnyOrder(
        [
            {"rating": 3, "body": "Fair", "userId": 2, "createdAt": "2024-04-03T00:00:00+00:00"},
            {"rating": 2, "body": None, "userId": None, "createdAt": "2024-04-02T00:00:00+00:00"},
            {"rating": 5, "body": "Good", "userId": 1, "createdAt": "2024-04-01T00:00:00+00:00"},
        ],
        by="createdAt",
    ),
    "reviewCount": 3,
    "avgRating": Average(Fraction(10, 3)),
    "minRating": 2,
    "maxRating": 5,
}

FIRST_ORDER = {
    "id": 1,
    "userId": 1,
    "status": "delivered",
    "total": Decimal("26.00"),
    "timeline": {
        "placedAt": "2024-03-01T00:00:00+00:00",
        "shippedAt": "2024-03-02T00:00:00+00:00",
    },
    "items": [FIRST_ITEM, SECOND_ITEM],
    "itemCount": 2,
    "unitsSold": 3,
}


def test_the_oracle_gives_the_documents_that_the_rows_say(database: str) -> None:
    store.create_tables(database)
    with psycopg.connect(database) as connection:
        connection.execute(ROWS.encode())

    documents = oracle.expected(database)

    assert documents["users"] == {"1": ADA, "2": BOB}
    assert documents["products"].keys() == {"1", "2"}
    assert documents["products"]["1"] == BOOK
    assert documents["products"]["2"]["tags"] == []
    assert documents["products"]["2"]["minRating"] is None
    assert documents["orders"]["1"] == FIRST_ORDER
    assert documents["orders"]["3"]["items"] == []
    assert documents["orders"]["3"]["unitsSold"] is None
