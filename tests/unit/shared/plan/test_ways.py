"""Every way from a table up to the root, for every shape of document."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_shared.names import TableName
from flusso_shared.plan.model import Hop, IndexPlan, Plan, Way
from support.documents import plan_of

FIELDS = "fields: []"


def told(plan: IndexPlan) -> list[str]:
    """Ways as `table(columns) > table(match -> give) ...`."""
    return [_way(way) for way in plan.ways]


def _way(way: Way) -> str:
    return " > ".join(
        [f"{way.table.name}({','.join(way.columns)})", *(_hop(hop) for hop in way.hops)]
    )


def _hop(hop: Hop) -> str:
    return f"{hop.table.name}({','.join(hop.match)} -> {','.join(hop.give)})"


def test_the_dev_documents(tmp_path: Path) -> None:
    schemas = Path(__file__).parents[4] / "dev" / "schemas"
    plans = {
        name: plan_of(tmp_path, (schemas / f"{name}.schema.yml").read_text(encoding="utf-8"), name)
        for name in ("users", "products", "orders")
    }
    assert told(plans["users"]) == [
        "users(id)",
        "profiles(user_id)",
        "addresses(user_id)",
        "orders(user_id)",
        "order_items(order_id) > orders(id -> user_id)",
    ]
    assert told(plans["products"]) == [
        "products(id)",
        "product_tags(product_id)",
        "tags(id) > product_tags(tag_id -> product_id)",
        "reviews(product_id)",
    ]
    assert told(plans["orders"]) == ["orders(id)", "order_items(order_id)"]
    plan = Plan(tuple(plans.values()))
    assert plan.link_columns()[TableName("public", "orders")] == {"id", "user_id"}
    assert [table.name for table in plan.roots] == ["orders", "products", "users"]


SHAPES = [
    (
        "a belongs_to is found through the rows that name it",
        f"{{ belongs_to: b, column: b_id, table: b, primary_key: id, {FIELDS} }}",
        ["a(id)", "b(id) > a(b_id -> id)"],
    ),
    (
        "an object is the same row",
        f"{{ object: o, fields: [{{ has_one: b, table: b, primary_key: id, foreign_key: a_id, {FIELDS} }}] }}",
        ["a(id)", "b(a_id)"],
    ),
    (
        "equal ways are one",
        f"{{ has_many: b, table: b, primary_key: id, foreign_key: a_id, fields: "
        f"[{{ count: c, table: c, foreign_key: b_id }}, {{ has_many: d, table: c, primary_key: id, foreign_key: b_id, {FIELDS} }}] }}",
        ["a(id)", "b(a_id)", "c(b_id) > b(id -> a_id)"],
    ),
    (
        "a relation to the root's own table is a way of its own",
        f"{{ has_many: parts, table: a, primary_key: id, foreign_key: whole_id, fields: "
        f"[{{ has_many: parts, table: a, primary_key: id, foreign_key: whole_id, {FIELDS} }}] }}",
        ["a(id)", "a(whole_id)", "a(whole_id) > a(id -> whole_id)"],
    ),
    (
        "a belongs_to inside a has_many needs both hops in one query",
        f"{{ has_many: b, table: b, primary_key: id, foreign_key: a_id, fields: "
        f"[{{ belongs_to: c, column: c_id, table: c, primary_key: id, {FIELDS} }}] }}",
        ["a(id)", "b(a_id)", "c(id) > b(c_id -> a_id)"],
    ),
    (
        "a has_many inside a belongs_to goes on from the key that its parent is named by",
        f"{{ belongs_to: b, column: b_id, table: b, primary_key: id, fields: "
        f"[{{ has_many: c, table: c, primary_key: id, foreign_key: b_id, {FIELDS} }}] }}",
        ["a(id)", "b(id) > a(b_id -> id)", "c(b_id) > a(b_id -> id)"],
    ),
    (
        "many_to_many inside many_to_many",
        "{ many_to_many: b, table: b, primary_key: id, through: { table: ab, left_key: a_id, right_key: b_id }, fields: "
        f"[{{ many_to_many: c, table: c, primary_key: id, through: {{ table: bc, left_key: b_id, right_key: c_id }}, {FIELDS} }}] }}",
        [
            "a(id)",
            "ab(a_id)",
            "b(id) > ab(b_id -> a_id)",
            "bc(b_id) > ab(b_id -> a_id)",
            "c(id) > bc(c_id -> b_id) > ab(b_id -> a_id)",
        ],
    ),
    (
        "three levels down",
        "{ has_many: b, table: b, primary_key: id, foreign_key: a_id, fields: "
        "[{ has_many: c, table: c, primary_key: id, foreign_key: b_id, fields: "
        "[{ sum: d, table: d, column: n, value_type: long, foreign_key: c_id }] }] }",
        [
            "a(id)",
            "b(a_id)",
            "c(b_id) > b(id -> a_id)",
            "d(c_id) > c(id -> b_id) > b(id -> a_id)",
        ],
    ),
    (
        "one key of several columns",
        f"{{ has_many: b, table: b, primary_key: [x, y], foreign_key: a_id, fields: "
        f"[{{ has_many: c, table: c, primary_key: id, foreign_key: [bx, by], {FIELDS} }}] }}",
        ["a(id)", "b(a_id)", "c(bx,by) > b(x,y -> a_id)"],
    ),
]


@pytest.mark.parametrize(("field", "expected"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])  # fmt: skip
def test_ways_of_every_shape(tmp_path: Path, field: str, expected: list[str]) -> None:
    plan = plan_of(tmp_path, f"table: a\nprimary_key: id\nfields:\n  - {field}")
    assert told(plan) == expected
