"""What the documents of random schemas must be: the schema files read in Python, over whole tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.chance.schemas import Spec
from support.chance.tables import TABLES
from support.oracle import Documents

Row = Mapping[str, Any]


def expected(database_url: str, schemas: Mapping[str, Spec]) -> dict[str, Documents]:
    """Per index its documents, by id."""
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.cursor(row_factory=dict_row) as cursor:
            tables = {name: list(cursor.execute(f"TABLE {name}".encode())) for name in TABLES}
    return {index: _Reader(tables).documents(spec) for index, spec in schemas.items()}


class _Reader:
    def __init__(self, tables: Mapping[str, Sequence[Row]]) -> None:
        self._tables = tables

    def documents(self, spec: Spec) -> Documents:
        gone = spec.get("soft_delete", {}).get("column")
        return {
            ":".join(str(row[column]) for column in _columns(spec["primary_key"])): self._fields(
                spec["fields"], spec["table"], row
            )
            for row in self._tables[spec["table"]]
            if not (gone and row[gone]) and _passes(row, spec)
        }

    def _fields(self, fields: Iterable[Spec], table: str, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for spec in fields:
            (tag, name), *_ = spec.items()
            found[name] = self._field(tag, spec, table, row)
        return found

    def _field(self, tag: str, spec: Spec, table: str, row: Row) -> Any:
        if tag == "constant":
            return spec["value"]
        if tag == "object":
            return self._fields(spec["fields"], table, row)
        if tag in ("count", "sum", "min", "max", "values"):
            related = self._related(spec, table, row)
            return _AGGREGATES[tag]([each.get(spec.get("column", "")) for each in related])
        if "fields" not in spec:
            return _value(spec, row)
        related = self._related(spec, table, row)[: spec.get("limit")]
        shown = [self._fields(spec["fields"], spec["table"], each) for each in related]
        if tag in ("belongs_to", "has_one"):
            return shown[0] if shown else None
        return shown

    def _related(self, spec: Spec, table: str, row: Row) -> list[Row]:
        """The rows of a relation or an aggregate, in order."""
        key, mine = TABLES[spec["table"]].key, _values(row, TABLES[table].key)
        rows = self._tables[spec["table"]]
        if "foreign_key" in spec:
            columns = _columns(spec["foreign_key"])
            found = [each for each in rows if _values(each, columns) == mine]
        elif "through" in spec:
            through = spec["through"]
            ends = {
                link[through["right_key"]]
                for link in self._tables[through["table"]]
                if (link[through["left_key"]],) == mine
            }
            found = [each for each in rows if each["id"] in ends]
        else:
            wanted = _values(row, _columns(spec["column"]))
            found = [each for each in rows if wanted is not None and _values(each, key) == wanted]
        found = [each for each in found if _passes(each, spec)]
        orders = spec.get("order_by") or [{"column": column} for column in key]
        for order in reversed(orders):
            descending = order.get("direction") == "desc"
            found.sort(key=lambda each, at=order["column"]: _place(each[at]), reverse=descending)  # type: ignore[misc]
        return found


def _place(value: Any) -> tuple[bool, Any]:
    """NULL counts as larger than everything."""
    return (True, 0) if value is None else (False, value)


def _value(spec: Spec, row: Row) -> Any:
    value: Any = row[spec["column"]]
    for step in spec.get("path", []):
        try:
            value = None if value is None else value[step]
        except (TypeError, LookupError):
            value = None
    for transform in spec.get("transforms", []):
        if value is not None:
            value = value.lower() if transform == "lowercase" else value.strip(" ")
    return spec.get("default") if value is None else value


def _passes(row: Row, spec: Spec) -> bool:
    return all(
        _CONDITIONS[item["op"]](row[item["column"]], item.get("value"))
        for item in spec.get("filters", [])
    )


def _known(condition: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Nothing is known of NULL."""
    return lambda value, given: value is not None and condition(value, given)


_CONDITIONS: dict[str, Callable[[Any, Any], bool]] = {
    "is_null": lambda value, _: value is None,
    "is_not_null": lambda value, _: value is not None,
    "eq": _known(lambda value, given: bool(value == given)),
    "neq": _known(lambda value, given: bool(value != given)),
    "gt": _known(lambda value, given: bool(value > given)),
    "lte": _known(lambda value, given: bool(value <= given)),
    "in": _known(lambda value, given: value in given),
    "not_in": _known(lambda value, given: value not in given),
    "between": _known(lambda value, given: bool(given[0] <= value <= given[1])),
}


def _held(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "sum": lambda values: sum(_held(values)) if _held(values) else None,
    "min": lambda values: min(_held(values), default=None),
    "max": lambda values: max(_held(values), default=None),
    "values": lambda values: sorted(set(_held(values))),
}


def _columns(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _values(row: Row, columns: Sequence[str]) -> tuple[Any, ...] | None:
    """None when one of them is NULL: it equals nothing."""
    found = tuple(row[column] for column in columns)
    return None if None in found else found
