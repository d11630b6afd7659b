"""What differs between two plans of an index is named, and whether it rebuilds is what the schema's hash says."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_cli.plan.differences import differences
from flusso_shared.plan.model import IndexPlan
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema

SCHEMA = """\
version: 1
table: users
primary_key: id
soft_delete: { column: deleted }
filters: [{ column: tier, op: in, value: [free, pro] }]
fields:
  - integer: id
    required: true
  - keyword: email
    transforms: [lowercase]
    required: true
  - enum: tier
    variants: [free, pro]
    required: true
  - map: title
    values: text
    required: true
  - constant: kind
    value: user
  - geo: place
    lat: latitude
    lon: longitude
    required: false
  - object: account
    fields:
      - date: born
        required: false
  - has_many: orders
    table: orders
    primary_key: id
    foreign_key: user_id
    order_by: [{ column: id, direction: asc }]
    filters: [{ column: status, op: neq, value: lost }]
    fields:
      - decimal: total
        required: true
  - sum: spent
    table: orders
    foreign_key: user_id
    column: total
    value_type: decimal
"""


def compiled(folder: Path, text: str) -> IndexPlan:
    file = folder / "users.schema.yml"
    file.write_text(text)
    return compile_index("users", load_schema(file, "users"), str(file))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("table: users", "table: people", ("", "table", "public.users", "public.people")),
        ("primary_key: id\nsoft", "primary_key: email\nsoft", ("", "primary_key", "id", "email")),
        ("column: deleted }", "column: gone }", ("", "soft_delete", "deleted", "gone")),
        ("[free, pro] }]", "[free] }]", ("", "filters", "tier in free, pro", "tier in free")),
        (
            "table: users",
            "table: users\ndescription: A user.",
            ("", "description", None, "A user."),
        ),
        (
            "    transforms: [lowercase]\n",
            "    transforms: [lowercase, trim]\n",
            ("email", "transforms", "lowercase", "lowercase, trim"),
        ),
        (
            "    variants: [free, pro]\n",
            "    variants: [pro, free]\n",
            ("tier", "variants", "free, pro", "pro, free"),
        ),
        ("    values: text\n", "    values: keyword\n", ("title", "values", "text", "keyword")),
        ("    value: user\n", "    value: [user]\n", ("kind", "value", '"user"', '["user"]')),
        ("lat: latitude", "lat: y", ("place", "lat", "latitude", "y")),
        (
            "required: false\n  - object",
            "required: true\n  - object",
            ("place", "required", "false", "true"),
        ),
        (
            "      - date: born",
            "      - keyword: born",
            ("account.born", "type", "date", "keyword"),
        ),
        (
            "    fields:\n      - date: born\n        required: false\n",
            "    fields:\n      - date: died\n        required: false\n",
            ("account.died", "", None, "date"),
        ),
        (
            "value: lost }",
            "value: kept }",
            ("orders", "filters", "status neq lost", "status neq kept"),
        ),
        ("direction: asc", "direction: desc", ("orders", "order_by", "id asc", "id desc")),
        (
            "    filters: [{ column: s",
            "    limit: 3\n    filters: [{ column: s",
            ("orders", "limit", None, "3"),
        ),
        (
            "    foreign_key: user_id\n    order_by",
            "    foreign_key: buyer_id\n    order_by",
            ("orders", "keys", "id = user_id", "id = buyer_id"),
        ),
        ("  - sum: spent", "  - max: spent", ("spent", "type", "sum", "max")),
        ("  - has_many: orders", "  - has_one: orders", ("orders", "type", "has_many", "has_one")),
    ],
)
def test_a_difference_is_named(
    tmp_path: Path, before: str, after: str, expected: tuple[str, str, str | None, str | None]
) -> None:
    assert SCHEMA.count(before) == 1
    one, other = compiled(tmp_path, SCHEMA), compiled(tmp_path, SCHEMA.replace(before, after))
    found = differences(one, other)
    assert expected in [(item.path, item.attribute, item.before, item.after) for item in found]
    assert any(item.rebuilds for item in found) == (one.hash != other.hash)


def test_plans_that_say_the_same_do_not_differ(tmp_path: Path) -> None:
    assert differences(compiled(tmp_path, SCHEMA), compiled(tmp_path, SCHEMA)) == []


def test_another_order_of_fields_is_a_difference(tmp_path: Path) -> None:
    id_field, rest = "  - integer: id\n    required: true\n", SCHEMA
    moved = rest.replace(id_field, "") + id_field
    one, other = compiled(tmp_path, SCHEMA), compiled(tmp_path, moved)
    (found,) = differences(one, other)
    assert (found.path, found.attribute, found.rebuilds) == ("", "order", one.hash != other.hash)


def test_removed_fields_and_other_kinds_are_named_whole(tmp_path: Path) -> None:
    object_field = "  - object: account\n    fields:\n      - date: born\n        required: false\n"
    changed = SCHEMA.replace(object_field, "").replace(
        "  - geo: place\n    lat: latitude\n    lon: longitude\n", "  - keyword: place\n"
    )
    found = differences(compiled(tmp_path, SCHEMA), compiled(tmp_path, changed))
    assert [(item.path, item.before, item.after) for item in found] == [
        ("place", "geo", "keyword"),
        ("account", "object", None),
    ]
