"""Random schema files: a subset of the language over the tables of `tables`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

from support.random_schedules.tables import (
    BY_CODE,
    TABLES,
    THROUGH,
    TO_MANY,
    TO_ONE,
)
from support.random_schedules.world import World

Spec = dict[str, Any]
"""A schema, or a field of one, as in the file."""

_DEEPEST = 3
_SHORT = {"ignore_above": 1000}
"""OpenSearch indexes no longer keyword than 32,766 bytes."""
_ROOTS = ("roots", "targets", "children", "parts", "kinds", "leaves")


def schemas(random: Random, world: World) -> dict[str, Spec]:
    """Index -> schema, two or three of them."""
    made = {
        f"{table}_docs": _schema(random, table)
        for table in random.sample(_ROOTS, random.randint(2, 3))
    }
    if not world.code_numbers:
        for spec in made.values():
            _relate_by_own_key(spec["fields"], spec["table"], spec["primary_key"])
    return made


def _relate_by_own_key(fields: list[Spec], table: str, key: str | list[str]) -> None:
    """Nothing but a code is compared with a code: the keys are numbers."""
    own = _one(TABLES[table].key)
    for field in fields:
        if "table" not in field:
            _relate_by_own_key(field.get("fields", []), table, key)
            continue
        if key != own and not {"references", "belongs_to"} & field.keys():
            field["references"] = own
        inner = field.get("primary_key", _one(TABLES[field["table"]].key))
        _relate_by_own_key(field.get("fields", []), field["table"], inner)


def _schema(random: Random, table: str) -> Spec:
    names = (f"f{number}" for number in count())
    made: Spec = {"table": table, "primary_key": _one(TABLES[table].key)}
    if table == "roots" and random.random() < 0.5:
        when = {"when": [_filter(random)]} if random.random() < 0.5 else {}
        made["soft_delete"] = {"column": "gone", **when}
    if random.random() < 0.3:
        made["filters"] = [_filter(random)]
    code = TABLES[table].code
    if code and random.random() < 0.5:
        made["doc_id"] = code
    made["fields"] = _fields(random, table, 1, names)
    return made


def _fields(
    random: Random, table: str, depth: int, names: Iterator[str], key: str | list[str] | None = None
) -> list[Spec]:
    """Fields of a row of `table`; `key` is the `primary_key` around them, if that is not the table's own."""
    about = TABLES[table]
    found: list[Spec] = [{"integer": next(names), "column": column} for column in about.integers]
    for column in about.texts:
        field: Spec = {"keyword": next(names), "column": column, "options": _SHORT}
        if random.random() < 0.3:
            field["transforms"] = random.choice([["lowercase"], ["trim"], ["trim", "lowercase"]])
        if random.random() < 0.3:
            field["default"] = "none"
        found.append(field)
    found += [{"decimal": next(names), "column": column} for column in about.decimals]
    if table == "roots":
        found += _of_roots(random, names)
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
            relation = dict(relation)
            if key and not {"references", "belongs_to"} & relation.keys() and random.random() < 0.5:
                relation["references"] = _one(about.key)
            found.append(_relation(random, relation, depth, names))
    return found


def _of_roots(random: Random, names: Iterator[str]) -> list[Spec]:
    custom = (("spot", "spot", "object"), ("tags", "hstore", "flat_object"))
    return [
        {"boolean": next(names), "column": "flag"},
        {"keyword": next(names), "column": "status"},
        {"keyword": next(names), "column": "data", "path": ["a", random.choice([1, -1])]},
        *(
            {"custom": next(names), "column": column, "postgres": [type_], "opensearch": shown}
            for column, type_, shown in custom
        ),
    ]


def _to_one(table: str) -> list[Spec]:
    found: list[Spec] = [
        {
            "belongs_to": "",
            "column": _plain(columns),
            "table": other,
            "primary_key": _one(TABLES[other].key),
        }
        for columns, other in TO_ONE.get(table, [])
    ]
    holder, column, other = BY_CODE
    if table == holder:
        key = TABLES[other].code
        found.append({"belongs_to": "", "column": column, "table": other, "primary_key": key})
    return found


def _to_many(table: str) -> list[Spec]:
    found: list[Spec] = [
        {
            "has_many": "",
            "foreign_key": _plain(columns),
            "table": other,
            "primary_key": _one(TABLES[other].key),
        }
        for other, columns in TO_MANY.get(table, [])
    ]
    holder, column, referenced = BY_CODE
    if table == referenced:
        found.append(
            {
                "has_many": "",
                "foreign_key": column,
                "references": TABLES[table].code,
                "table": holder,
                "primary_key": _one(TABLES[holder].key),
            }
        )
    return found


def _through(table: str) -> list[Spec]:
    if table not in THROUGH:
        return []
    other, left, right = THROUGH[table]
    through = {"table": "links", "left_key": left, "right_key": right}
    return [{"many_to_many": "", "through": through, "table": other, "primary_key": "id"}]


def _relation(random: Random, spec: Spec, depth: int, names: Iterator[str]) -> Spec:
    tag = next(iter(spec))
    if random.random() < 0.3:
        spec["filters"] = [_filter(random)]
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
    own = spec["primary_key"] == _one(TABLES[spec["table"]].key)
    other = None if own else spec["primary_key"]
    spec["fields"] = _fields(random, spec["table"], depth + 1, names, other)
    return spec


def _aggregate(random: Random, spec: Spec, names: Iterator[str]) -> Spec:
    shared = ("table", "foreign_key", "references", "through", "filters")
    kept: Spec = {name: spec[name] for name in shared if name in spec}
    key = TABLES[spec["table"]].key
    ops = ["count", "sum", "min", "max", "avg", "values", "ids"]
    op = random.choice(ops if len(key) == 1 else ops[:-1])
    made: Spec = {op: next(names), **kept}
    if op not in ("count", "ids"):
        made["column"] = "rank"
    if op in ("sum", "min", "max"):
        made["value_type"] = "long" if op == "sum" else "integer"
    if op in ("values", "ids"):
        made["element_type"] = "integer"
    if op == "values" and random.random() < 0.5:
        made["distinct"] = True
    return made


RAW: dict[str, Callable[[Any], bool | None]] = {
    "rank % 2 = 0": lambda rank: None if rank is None else rank % 2 == 0,
    "rank IS DISTINCT FROM 3": lambda rank: rank != 3,
    "coalesce(rank, 0) < 5": lambda rank: (rank or 0) < 5,
}
"""SQL -> the same of the value of `rank`."""


def _filter(random: Random) -> Spec:
    ops = ["eq", "neq", "gt", "lte", "in", "not_in", "between", "is_null", "is_not_null"]
    op = random.choice([*ops, "raw"])
    if op == "raw":
        return {"raw": random.choice(sorted(RAW))}
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
