"""Random schema files: a subset of the language over the tables of `tables`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

from support.chance.tables import TABLES, THROUGH, TO_MANY, TO_ONE

Spec = dict[str, Any]
"""A schema, or a field of one, as in the file."""

_DEEPEST = 3
_ROOTS = ("roots", "targets", "children", "parts", "kinds", "leaves")


def schemas(random: Random) -> dict[str, Spec]:
    """Index -> schema, two or three of them."""
    return {
        f"{table}_docs": _schema(random, table)
        for table in random.sample(_ROOTS, random.randint(2, 3))
    }


def _schema(random: Random, table: str) -> Spec:
    names = (f"f{number}" for number in count())
    made: Spec = {"table": table, "primary_key": _one(TABLES[table].key)}
    if table == "roots" and random.random() < 0.5:
        made["soft_delete"] = {"column": "gone"}
    if random.random() < 0.3:
        made["filters"] = [_filter(random, table)]
    made["fields"] = _fields(random, table, 1, names)
    return made


def _fields(random: Random, table: str, depth: int, names: Iterator[str]) -> list[Spec]:
    about = TABLES[table]
    found: list[Spec] = [{"integer": next(names), "column": column} for column in about.integers]
    for column in about.texts:
        field: Spec = {"keyword": next(names), "column": column}
        if random.random() < 0.3:
            field["transforms"] = random.choice([["lowercase"], ["trim"], ["trim", "lowercase"]])
        if random.random() < 0.3:
            field["default"] = "none"
        found.append(field)
    found += [{"decimal": next(names), "column": column} for column in about.decimals]
    if table == "roots":
        found.append({"boolean": next(names), "column": "flag"})
        found.append(
            {"keyword": next(names), "column": "data", "path": ["a", random.choice([1, -1])]}
        )
    if random.random() < 0.3:
        found = [{"object": next(names), "fields": found}]
    if random.random() < 0.2:
        found.append({"constant": next(names), "value": random.choice([1, "x", True])})
    if depth <= _DEEPEST:
        relations = [*_to_one(table), *_to_many(table), *_through(table)]
        most = 3 if depth == 1 else 2
        for relation in random.sample(
            relations, min(len(relations), random.randint(0 if depth > 1 else 1, most))
        ):
            found.append(_relation(random, dict(relation), depth, names))
    return found


def _to_one(table: str) -> list[Spec]:
    return [
        {
            "belongs_to": "",
            "column": _plain(columns),
            "table": other,
            "primary_key": _one(TABLES[other].key),
        }
        for columns, other in TO_ONE.get(table, [])
    ]


def _to_many(table: str) -> list[Spec]:
    return [
        {
            "has_many": "",
            "foreign_key": _plain(columns),
            "table": other,
            "primary_key": _one(TABLES[other].key),
        }
        for other, columns in TO_MANY.get(table, [])
    ]


def _through(table: str) -> list[Spec]:
    if table not in THROUGH:
        return []
    other, left, right = THROUGH[table]
    through = {"table": "links", "left_key": left, "right_key": right}
    return [{"many_to_many": "", "through": through, "table": other, "primary_key": "id"}]


def _relation(random: Random, spec: Spec, depth: int, names: Iterator[str]) -> Spec:
    tag = next(iter(spec))
    if random.random() < 0.3:
        spec["filters"] = [_filter(random, spec["table"])]
    if tag != "belongs_to" and random.random() < 0.4:
        return _aggregate(random, spec, names)
    if tag == "has_many" and random.random() < 0.2:
        spec = {"has_one": "", **{name: value for name, value in spec.items() if name != tag}}
        tag = "has_one"
    if tag != "belongs_to" and (tag == "has_one" or random.random() < 0.5):
        key = TABLES[spec["table"]].key
        order = [{"column": "rank", "direction": random.choice(["asc", "desc"])}]
        spec["order_by"] = order + [{"column": column, "direction": "asc"} for column in key]
    if tag in ("has_many", "many_to_many") and random.random() < 0.3:
        spec["limit"] = random.randint(1, 3)
    spec[tag] = next(names)
    spec["fields"] = _fields(random, spec["table"], depth + 1, names)
    return spec


def _aggregate(random: Random, spec: Spec, names: Iterator[str]) -> Spec:
    kept: Spec = {
        name: spec[name] for name in ("table", "foreign_key", "through", "filters") if name in spec
    }
    op = random.choice(["count", "sum", "min", "max", "values"])
    made: Spec = {op: next(names), **kept}
    if op != "count":
        made["column"] = "rank"
    if op in ("sum", "min", "max"):
        made["value_type"] = "long" if op == "sum" else "integer"
    if op == "values":
        made |= {"element_type": "integer", "distinct": True}
    return made


def _filter(random: Random, table: str) -> Spec:
    op = random.choice(
        ["eq", "neq", "gt", "lte", "in", "not_in", "between", "is_null", "is_not_null"]
    )
    made: Spec = {"column": "rank", "op": op}
    if op in ("in", "not_in"):
        made["value"] = random.sample(range(1, 9), 3)
    elif op == "between":
        made["value"] = sorted(random.sample(range(1, 9), 2))
    elif not op.startswith("is_"):
        made["value"] = random.randint(1, 8)
    return made


def _one(columns: tuple[str, ...]) -> str | list[str]:
    return columns[0] if len(columns) == 1 else list(columns)


def _plain(columns: str | tuple[str, ...]) -> str | list[str]:
    return columns if isinstance(columns, str) else list(columns)
