"""A plan's hash covers what changes documents or mapping and nothing else; a plan survives its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flusso_shared.plan.codec import plan_from_json, plan_to_json
from support.documents import plan_of

SCHEMAS = Path(__file__).parents[4] / "dev" / "schemas"

SCHEMA = """
version: 1
table: things
primary_key: id
soft_delete: { column: gone }
filters: [{ column: kind, op: in, value: [a, b] }]
fields:
  - { text: name, required: true, transforms: [trim] }
  - { keyword: code, options: { boost: 1, store: true }, default: x }
  - { custom: ip, postgres: [inet], opensearch: ip }
  - has_many: parts
    table: part
    primary_key: id
    foreign_key: thing_id
    order_by: [{ column: id }]
    limit: 3
    fields: [{ long: n }]
  - { max: last, table: part, foreign_key: thing_id, column: at, value_type: timestamp }
"""


def hash_of(folder: Path, schema: str) -> str:
    return plan_of(folder, schema).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1\n", ""),
        ("version: 1\n", "verify_every: 10m\n"),
        ("version: 1\n", "description: Things.\n"),
        ("{ text: name, required", "{ text: name, description: Its name., required"),
        ("{ long: n }", "{ long: n, description: How many., array: true }"),
        (
            "primary_key: id\n    foreign_key",
            "primary_key: id\n    description: Parts.\n    foreign_key",
        ),
        ("column: at, value_type: timestamp", "column: at, value_type: date"),
        ("table: things", "table: Things # a comment"),
        ("{ text: name, required: true,", "{ column: name, text: name,"),
        ("boost: 1, store: true", "store: true, boost: 1"),
        ("[inet]", "[inet, cidr]"),
        ("column: id }", "column: id, direction: asc }"),
        ("keyword: code", "uuid: code"),
        ("primary_key: id\nsoft", "schema: public\nprimary_key: [id]\nsoft"),
    ],
)
def test_what_changes_nothing_keeps_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in SCHEMA
    assert hash_of(tmp_path, SCHEMA.replace(old, new, 1)) == hash_of(tmp_path, SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("table: things", "table: thing"),
        ("primary_key: id\nsoft", "primary_key: no\nsoft"),
        ("column: gone", "column: left"),
        ("[a, b]", "[a, c]"),
        ("text: name", "text: title"),
        ("text: name", "identifier: name"),
        ("[trim]", "[trim, lowercase]"),
        ("boost: 1", "boost: 2"),
        ("default: x", "default: y"),
        ("opensearch: ip", "opensearch: keyword"),
        ("direction: asc", "direction: desc"),
        ("limit: 3", "limit: 4"),
        ("long: n", "integer: n"),
        ("column: at", "column: on"),
        ("max: last", "min: last"),
        ("keyword: code", "{0}: code"),
    ],
)
def test_what_changes_documents_or_mapping_changes_the_hash(
    tmp_path: Path, old: str, new: str
) -> None:
    before = SCHEMA.replace("column: id }", "column: id, direction: asc }")
    assert old in before
    after = before.replace(old, new.replace("{0}", "text"), 1)
    assert hash_of(tmp_path, after) != hash_of(tmp_path, before)


def test_the_hash_is_eight_hex_digits_and_depends_on_neither_index_nor_file(tmp_path: Path) -> None:
    one, other = plan_of(tmp_path, SCHEMA, "one"), plan_of(tmp_path, SCHEMA, "other")
    assert one.hash == other.hash
    assert len(one.hash) == 8
    assert int(one.hash, 16) >= 0
    assert one.hash == one.hash.lower()


@pytest.mark.parametrize("name", ["users", "orders", "products", "everything"])
def test_a_plan_survives_its_json(tmp_path: Path, name: str) -> None:
    schema = EVERYTHING
    if name != "everything":
        schema = (SCHEMAS / f"{name}.schema.yml").read_text(encoding="utf-8")
    plan = plan_of(tmp_path, schema, name)
    again = plan_from_json(json.loads(json.dumps(plan_to_json(plan))))
    assert again == plan
    # Equal is not enough: 1, 1.0 and True are equal too.
    assert repr(again) == repr(plan)


EVERYTHING = """
table: things
primary_key: [a, b]
soft_delete: { column: gone, when: [{ raw: x = 1 }, { column: y, op: is_null }, { column: y, op: eq, value: 1 }] }
filters:
  - { column: y, op: is_not_null }
  - { column: y, op: between, value: [1, 2] }
fields:
  - { integer: i, default: 1 }
  - { double: d, default: 1.0 }
  - { boolean: t, default: true }
  - { text: s, default: '1', transforms: [lowercase, trim], options: { a: { b: [1, 1.0, true, null, '1'] } } }
  - { enum: e, variants: [x, y] }
  - { map: m, values: text }
  - { json: j }
  - { geo: g, lat: y, lon: x }
  - { geo: h }
  - { custom: c, postgres: [inet], opensearch: ip }
  - { constant: k, value: { a: [1, 2.0, null] } }
  - { constant: n, value: null }
  - object: o
    fields:
      - object: p
        fields: []
      - belongs_to: q
        column: [x, y]
        table: t
        primary_key: [x, y]
        required: true
        fields:
          - many_to_many: r
            table: r
            schema: other
            primary_key: id
            through: { table: tr, left_key: [tx, ty], right_key: r_id }
            order_by: [{ column: z, direction: desc }]
            filters: [{ raw: z > 0 }]
            limit: 2
            fields: []
  - { has_one: u, table: u, primary_key: id, foreign_key: [a, b], fields: [{ long: v }] }
  - { count: w, table: u, foreign_key: [a, b] }
  - { ids: z, table: u, through: { table: uu, left_key: [a, b], right_key: c }, element_type: long }
"""
