"""Every field type against every key that can stand beside one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flusso_shared.problems import Problems
from flusso_shared.schema.reader import load_schema
from flusso_shared.schema.types import TAGS

# ● must be there, ○ may be, - may not, * is refused with the name of the right key.
# = is a type of its own (ours), so that the field has two.
# `required` may be left out everywhere: it is false then, as the reference asks for.
MATRIX = """
             scalar enum custom geo object map belongs_to has_one has_many many_to_many count avg sum min max ids constant
description  ○      ○    ○      ○   ○      ○   ○          ○       ○        ○            ○     ○   ○   ○   ○   ○   ○
array        ○      ○    ○      -   -      -   -          -       -        -            -     -   -   -   -   -   -
required     ○      ○    ○      ○   -      ○   ○          ○       -        -            -     -   -   -   -   -   -
column       ○      ○    ○      ○   -      ○   ○          *       *        *            ○     ●   ●   ●   ●   -   -
options      ○      ○    ○      ○   ○      ○   ○          ○       ○        ○            ○     ○   ○   ○   ○   ○   -
transforms   ○      ○    -      -   -      -   -          -       -        -            -     -   -   -   -   -   -
default      ○      ○    ○      -   -      -   -          -       -        -            -     -   -   -   -   -   -
variants     -      ○    -      -   -      -   -          -       -        -            -     -   -   -   -   -   -
postgres     -      -    ●      -   -      -   -          -       -        -            -     -   -   -   -   -   -
opensearch   -      -    ●      -   -      -   -          -       -        -            -     -   -   -   -   -   -
lat          -      -    -      ○   -      -   -          -       -        -            -     -   -   -   -   -   -
lon          -      -    -      ○   -      -   -          -       -        -            -     -   -   -   -   -   -
values       =      =    =      =   =      ●   =          =       =        =            =     =   =   =   =   =   =
fields       -      -    -      -   ●      -   ●          ●       ●        ●            -     -   -   -   -   -   -
table        -      -    -      -   -      -   ●          ●       ●        ●            ●     ●   ●   ●   ●   ●   -
primary_key  -      -    -      -   -      -   ●          ●       ●        ●            -     -   -   -   -   -   -
foreign_key  -      -    -      -   -      -   *          ●       ●        *            ○     ○   ○   ○   ○   ○   -
through      -      -    -      -   -      -   *          *       *        ●            ○     ○   ○   ○   ○   ○   -
filters      -      -    -      -   -      -   ○          ○       ○        ○            ○     ○   ○   ○   ○   ○   -
order_by     -      -    -      -   -      -   -          ○       ○        ○            -     -   -   -   -   -   -
limit        -      -    -      -   -      -   -          -       ○        ○            -     -   -   -   -   -   -
value_type   -      -    -      -   -      -   -          -       -        -            ○     ○   ●   ●   ●   -   -
element_type -      -    -      -   -      -   -          -       -        -            -     -   -   -   -   ●   -
value        -      -    -      -   -      -   -          -       -        -            -     -   -   -   -   -   ●
"""

SCALARS = [
    "text",
    "identifier",
    "keyword",
    "uuid",
    "boolean",
    "short",
    "integer",
    "long",
    "float",
    "double",
    "decimal",
    "date",
    "timestamp",
    "binary",
    "json",
]

WRITTEN = {
    "description": "What it is.",
    "array": "true",
    "required": "true",
    "column": "c",
    "options": "{ boost: 2 }",
    "transforms": "[trim]",
    "default": "x",
    "variants": "[low, high]",
    "postgres": "[inet]",
    "opensearch": "ip",
    "lat": "a, lon: b",
    "lon": "b, lat: a",
    "values": "keyword",
    "fields": "[{ keyword: name }]",
    "table": "others",
    "primary_key": "id",
    "foreign_key": "thing_id",
    "through": "{ table: links, left_key: thing_id, right_key: other_id }",
    "filters": "[{ column: a, op: is_null }]",
    "order_by": "[{ column: a }]",
    "limit": "3",
    "value_type": "long",
    "element_type": "long",
    "value": "1",
}
DEFAULTS = {"boolean": "true", "json": "'{}'", "date": "'2020-01-01'", "timestamp": "'2020-01-01'"}
NUMBERS = ("short", "integer", "long", "float", "double", "decimal")


def rows() -> dict[tuple[str, str], str]:
    """(tag, sibling) -> its mark; every scalar has a column of its own."""
    head, *lines = [line.split() for line in MATRIX.strip().splitlines()]
    marks: dict[tuple[str, str], str] = {}
    for sibling, *found in lines:
        for tag, mark in zip(head, found, strict=True):
            for each in SCALARS if tag == "scalar" else [tag]:
                marks[each, sibling] = mark
    return marks


MARKS = rows()


def siblings_of(tag: str) -> list[str]:
    """The fewest that make a whole field."""
    needed = [sibling for (each, sibling), mark in MARKS.items() if each == tag and mark == "●"]
    if tag in ("count", "avg", "sum", "min", "max", "ids"):
        needed.append("foreign_key")
    return needed


def problems(folder: Path, tag: str, siblings: list[str]) -> list[str]:
    """What the loader says of one field with these siblings, as `line:column: message`."""
    written = dict(WRITTEN)
    written["default"] = "1" if tag in NUMBERS else DEFAULTS.get(tag, "x")
    text = "".join(f", {name}: {written[name]}" for name in siblings)
    path = folder / "things.schema.yml"
    path.write_text(f"table: things\nprimary_key: id\nfields:\n  - {{ {tag}: f{text} }}\n")
    try:
        load_schema(path, "things")
    except Problems as error:
        return [f"{item.line}:{item.column}: {item.message}" for item in error.problems]
    return []


def test_the_matrix_has_every_type() -> None:
    # `values` is ours; `test_language` has what it takes.
    assert {tag for tag, _ in MARKS} | {"values"} == set(TAGS)


@pytest.mark.parametrize("tag", sorted({tag for tag, _ in MARKS}))
def test_what_must_be_there_is_enough(tag: str, tmp_path: Path) -> None:
    assert problems(tmp_path, tag, siblings_of(tag)) == []


@pytest.mark.parametrize(("tag", "sibling"), MARKS)
def test_each_type_takes_what_the_matrix_says(tag: str, sibling: str, tmp_path: Path) -> None:
    mark, whole = MARKS[tag, sibling], siblings_of(tag)
    if mark == "●":
        (found,) = problems(tmp_path, tag, [name for name in whole if name != sibling])
        assert re.match(rf"4:5: `{tag}` field `f` needs `{sibling}`", found)
        return
    if mark == "○":
        instead = {"through": "foreign_key", "foreign_key": "through"}.get(sibling)
        rest = [name for name in whole if name not in (sibling, instead)]
        assert problems(tmp_path, tag, [*rest, sibling]) == []
        return
    found, *others = problems(tmp_path, tag, [sibling, *whole])
    if mark == "=":
        assert found.startswith("4:5: a field needs exactly one type")
        assert not others
        return
    place = rf"4:{len(f'  - {{ {tag}: f, ') + 1}: `{tag}` field `f` "
    refusal = r"takes `\w+`, not `{}`" if mark == "*" else r"has no key `{}`.*; allowed are "
    assert re.match(place + refusal.format(sibling), found)
    # `lat` and `lon` come together here.
    assert not others or sibling in ("lat", "lon")
