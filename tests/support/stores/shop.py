"""A shop: has_many over three levels, belongs_to over two, sums and counts at each of them."""

from __future__ import annotations

from typing import Any

from support.expected.oracle import Documents
from support.stores.model import (
    Model,
    Row,
    Tables,
    by,
    total,
    where,
)

_DDL = """
CREATE SCHEMA shop;
CREATE TABLE shop.categories (id int PRIMARY KEY, name text);
CREATE TABLE shop.products (id int PRIMARY KEY, name text, category_id int);
CREATE TABLE shop.customers (id int PRIMARY KEY, name text, gone boolean DEFAULT false);
CREATE TABLE shop.orders (id int PRIMARY KEY, customer_id int, status text, placed date);
CREATE TABLE shop.lines (id int PRIMARY KEY, order_id int, product_id int, quantity int, price numeric(10, 2));
CREATE TABLE shop.shipments (id int PRIMARY KEY, line_id int, carrier text);
CREATE INDEX ON shop.products (category_id);
CREATE INDEX ON shop.orders (customer_id);
CREATE INDEX ON shop.lines (order_id);
CREATE INDEX ON shop.lines (product_id);
CREATE INDEX ON shop.shipments (line_id);
"""
_ROWS = """
INSERT INTO shop.categories SELECT n, 'category ' || n FROM generate_series(1, 4) n;
INSERT INTO shop.products SELECT n, 'product ' || n, 1 + n % 4 FROM generate_series(1, 10) n;
INSERT INTO shop.customers SELECT n, 'customer ' || n, n % 7 = 0 FROM generate_series(1, 15) n;
INSERT INTO shop.orders SELECT n, 1 + n % 15, (ARRAY['open', 'paid', 'sent'])[1 + n % 3], DATE '2024-01-01' + n
FROM generate_series(1, 60) n;
INSERT INTO shop.lines SELECT n, 1 + n % 60, 1 + n % 10, 1 + n % 4, n + 0.25 FROM generate_series(1, 150) n;
INSERT INTO shop.shipments SELECT n, 1 + n % 150, (ARRAY['van', 'ship'])[1 + n % 2] FROM generate_series(1, 200) n;
"""

_CUSTOMERS = """
table: customers
schema: shop
primary_key: id
soft_delete: { column: gone }
fields:
  - integer: id
  - keyword: name
  - count: paid
    table: orders
    foreign_key: customer_id
    filters: [{ column: status, op: eq, value: paid }]
  - has_many: orders
    table: orders
    primary_key: id
    foreign_key: customer_id
    order_by: [{ column: placed, direction: desc }]
    limit: 3
    fields:
      - integer: id
      - keyword: status
      - sum: worth
        table: lines
        foreign_key: order_id
        column: price
        value_type: decimal
      - has_many: lines
        table: lines
        primary_key: id
        foreign_key: order_id
        filters: [{ column: quantity, op: gte, value: 2 }]
        fields:
          - integer: quantity
          - belongs_to: product
            column: product_id
            table: products
            primary_key: id
            fields:
              - keyword: name
              - belongs_to: category
                column: category_id
                table: categories
                primary_key: id
                fields: [{ keyword: name }]
          - has_many: shipments
            table: shipments
            primary_key: id
            foreign_key: line_id
            fields: [{ keyword: carrier }]
"""
_PRODUCTS = """
table: products
schema: shop
primary_key: id
fields:
  - keyword: name
  - sum: sold
    table: lines
    foreign_key: product_id
    column: quantity
    value_type: long
  - values: quantities
    table: lines
    foreign_key: product_id
    column: quantity
    element_type: integer
    distinct: true
  - has_many: lines
    table: lines
    primary_key: id
    foreign_key: product_id
    fields:
      - belongs_to: order
        column: order_id
        table: orders
        primary_key: id
        fields:
          - keyword: status
          - belongs_to: customer
            column: customer_id
            table: customers
            primary_key: id
            fields: [{ keyword: name }]
"""


def _expected(tables: Tables) -> dict[str, Documents]:
    return {
        "customers": {
            str(row["id"]): _customer(row, tables) for row in tables["customers"] if not row["gone"]
        },
        "products": {str(row["id"]): _product(row, tables) for row in tables["products"]},
    }


def _customer(row: Row, tables: Tables) -> dict[str, Any]:
    orders = where(tables["orders"], customer_id=row["id"])
    latest = sorted(orders, key=lambda order: order["placed"], reverse=True)[:3]
    return {
        "id": row["id"],
        "name": row["name"],
        "paid": sum(order["status"] == "paid" for order in orders),
        "orders": [_order(order, tables) for order in latest],
    }


def _order(row: Row, tables: Tables) -> dict[str, Any]:
    lines = where(tables["lines"], order_id=row["id"])
    return {
        "id": row["id"],
        "status": row["status"],
        "worth": total(line["price"] for line in lines),
        "lines": [_line(line, tables) for line in lines if line["quantity"] >= 2],
    }


def _line(row: Row, tables: Tables) -> dict[str, Any]:
    product = by(tables["products"], "id").get(row["product_id"])
    shipments = where(tables["shipments"], line_id=row["id"])
    shown = None
    if product is not None:
        category = by(tables["categories"], "id").get(product["category_id"])
        shown = {
            "name": product["name"],
            "category": None if category is None else {"name": category["name"]},
        }
    return {
        "quantity": row["quantity"],
        "product": shown,
        "shipments": [{"carrier": shipment["carrier"]} for shipment in shipments],
    }


def _product(row: Row, tables: Tables) -> dict[str, Any]:
    orders, customers = by(tables["orders"], "id"), by(tables["customers"], "id")
    lines = where(tables["lines"], product_id=row["id"])

    def order(line: Row) -> dict[str, Any] | None:
        found = orders.get(line["order_id"])
        if found is None:
            return None
        customer = customers.get(found["customer_id"])
        name = None if customer is None else {"name": customer["name"]}
        return {"status": found["status"], "customer": name}

    return {
        "name": row["name"],
        "sold": total(line["quantity"] for line in lines),
        "quantities": sorted({line["quantity"] for line in lines}),
        "lines": [{"order": order(line)} for line in lines],
    }


MODEL = Model(
    ddl=_DDL,
    rows=_ROWS,
    tables=tuple(
        f"shop.{name}"
        for name in ("categories", "products", "customers", "orders", "lines", "shipments")
    ),
    schemas={"customers": _CUSTOMERS, "products": _PRODUCTS},
    expected=_expected,
    steps={
        "every level of the shop is renamed": [
            "UPDATE shop.categories SET name = name || '!' WHERE id = 1",
            "UPDATE shop.products SET name = name || '!' WHERE id = 2",
            "UPDATE shop.shipments SET carrier = 'mule' WHERE id % 50 = 0",
        ],
        "rows of every level move": [
            "UPDATE shop.orders SET customer_id = 3 WHERE id IN (1, 2)",
            "UPDATE shop.lines SET order_id = 9, product_id = 1 WHERE id % 40 = 0",
            "UPDATE shop.shipments SET line_id = 77 WHERE id < 5",
            "UPDATE shop.products SET category_id = NULL WHERE id = 5",
        ],
        "filters and orders decide again": [
            "UPDATE shop.lines SET quantity = 1 WHERE id % 9 = 0",
            "UPDATE shop.orders SET placed = '2025-01-01', status = 'paid' WHERE id = 30",
            "UPDATE shop.customers SET gone = NOT gone WHERE id IN (7, 8)",
        ],
        "rows of every level go": [
            "DELETE FROM shop.shipments WHERE id % 11 = 0",
            "DELETE FROM shop.lines WHERE id % 13 = 0",
            "DELETE FROM shop.orders WHERE id % 17 = 0",
            "DELETE FROM shop.categories WHERE id = 3",
            "DELETE FROM shop.products WHERE id = 9",
            "DELETE FROM shop.customers WHERE id = 5",
        ],
        "rows of every level come, the lowest first": [
            "INSERT INTO shop.shipments VALUES (301, 201, 'van'), (302, 59, 'ship')",
            "INSERT INTO shop.lines VALUES (201, 101, 11, 3, 7.5), (202, 59, 9, 2, NULL)",
            "INSERT INTO shop.orders VALUES (101, 16, 'paid', '2025-02-01'), (102, 1, 'open', '2025-02-02')",
            "INSERT INTO shop.products VALUES (9, 'back', 2), (11, 'new', 3)",
            "INSERT INTO shop.categories VALUES (3, 'back')",
            "INSERT INTO shop.customers VALUES (5, 'back', false), (16, 'new', false)",
        ],
        "keys change, and some of what refers to them follows": [
            "UPDATE shop.customers SET id = 40 WHERE id = 4",
            "UPDATE shop.orders SET customer_id = 40 WHERE customer_id = 4 AND id > 20",
            "UPDATE shop.orders SET id = 400 WHERE id = 30",
            "UPDATE shop.lines SET order_id = 400 WHERE order_id = 30",
            "UPDATE shop.lines SET id = 500 WHERE id = 62",
            "UPDATE shop.products SET id = 20 WHERE id = 2",
        ],
        "the lowest level is emptied": ["TRUNCATE shop.shipments"],
    },
)
