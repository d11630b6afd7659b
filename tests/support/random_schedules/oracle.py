"""What the documents of random schemas must be: the schema files read in Python, over whole tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.hstore import register_hstore

from support.expected.oracle import Average, Documents
from support.random_schedules.schemas import RAW, Spec
from support.random_schedules.tables import BY_CODE, TABLES

Row = Mapping[str, Any]

_CODES = (BY_CODE[1], TABLES[BY_CODE[2]].code)


def expected(
    database_url: str, schemas: Mapping[str, Spec], comparable: Callable[[Any], Any]
) -> dict[str, Documents]:
    """Per index its documents, by id.  `comparable` makes codes equal that are equal in the database."""
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        _register(connection)
        with connection.cursor(row_factory=dict_row) as cursor:
            tables = {name: list(cursor.execute(f"TABLE {name}".encode())) for name in TABLES}
    return {index: _Reader(tables, comparable).documents(spec) for index, spec in schemas.items()}


def _register(connection: psycopg.Connection) -> None:
    """Have values of the composite type and of the extension read as dicts."""
    spot = CompositeInfo.fetch(connection, "spot")
    tags = TypeInfo.fetch(connection, "hstore")
    assert spot is not None
    assert tags is not None

    def named(values: Sequence[Any], info: CompositeInfo) -> dict[str, Any]:
        return dict(zip(info.field_names, values, strict=True))

    register_composite(spot, connection, make_object=named)
    register_hstore(tags, connection)


class _Reader:
    def __init__(
        self, tables: Mapping[str, Sequence[Row]], comparable: Callable[[Any], Any]
    ) -> None:
        self._tables = tables
        self._comparable = comparable

    def documents(self, spec: Spec) -> Documents:
        key = _columns(spec.get("doc_id") or spec["primary_key"])
        return {
            ":".join(str(value).rstrip(" ") for value in found): self._fields(
                spec["fields"], spec, row
            )
            for row in self._tables[spec["table"]]
            if (found := _values(row, key)) is not None
            and not _gone(row, spec)
            and _passes(row, spec)
        }

    def _fields(self, fields: Iterable[Spec], level: Spec, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for spec in fields:
            (tag, name), *_ = spec.items()
            found[name] = self._field(tag, spec, level, row)
        return found

    def _field(self, tag: str, spec: Spec, level: Spec, row: Row) -> Any:
        """A field of a row of `level`, the schema or the relation around it."""
        if tag == "constant":
            return spec["value"]
        if tag == "object":
            return self._fields(spec["fields"], level, row)
        if tag in _AGGREGATES:
            column = "id" if tag == "ids" else spec.get("column", "")
            values = [each.get(column) for each in self._related(spec, level, row)]
            return _distinct(values) if "distinct" in spec else _AGGREGATES[tag](values)
        if "fields" not in spec:
            return _value(spec, row)
        related = self._related(spec, level, row)[: spec.get("limit")]
        shown = [self._fields(spec["fields"], spec, each) for each in related]
        if tag in ("belongs_to", "has_one"):
            return shown[0] if shown else None
        return shown

    def _related(self, spec: Spec, level: Spec, row: Row) -> list[Row]:
        """The rows of a relation or an aggregate, in order."""
        key = TABLES[spec["table"]].key
        mine = self._ends(row, _columns(spec.get("references") or level["primary_key"]))
        rows = self._tables[spec["table"]]
        if "foreign_key" in spec:
            columns = _columns(spec["foreign_key"])
            found = [
                each for each in rows if mine is not None and self._ends(each, columns) == mine
            ]
        elif "through" in spec:
            through = spec["through"]
            ends = {
                link[through["right_key"]]
                for link in self._tables[through["table"]]
                if (link[through["left_key"]],) == mine
            }
            found = [each for each in rows if each["id"] in ends]
        else:
            wanted, theirs = (
                self._ends(row, _columns(spec["column"])),
                _columns(spec["primary_key"]),
            )
            found = [
                each for each in rows if wanted is not None and self._ends(each, theirs) == wanted
            ]
        found = [each for each in found if _passes(each, spec)]
        orders = spec.get("order_by") or [{"column": column} for column in key]
        for order in reversed(orders):
            descending = order.get("direction") == "desc"
            found.sort(key=lambda each, at=order["column"]: _place(each[at]), reverse=descending)  # type: ignore[misc]
        return found

    def _ends(self, row: Row, columns: Sequence[str]) -> tuple[Any, ...] | None:
        """What a row is related by; NULL is related to nothing."""
        found = _values(row, columns)
        if found is None:
            return None
        codes = zip(columns, found, strict=True)
        return tuple(
            self._comparable(value) if column in _CODES else value for column, value in codes
        )


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


def _gone(row: Row, spec: Spec) -> bool:
    """The marker is set, and no `when` is false: one that is neither leaves the row out."""
    marker = spec.get("soft_delete")
    return bool(
        marker
        and row[marker["column"]]
        and all(_holds(row, item) is not False for item in marker.get("when", []))
    )


def _passes(row: Row, spec: Spec) -> bool:
    return all(_holds(row, item) is True for item in spec.get("filters", []))


def _holds(row: Row, item: Spec) -> bool | None:
    """None where it is unknown."""
    if "raw" in item:
        return RAW[item["raw"]](row["rank"])
    return _CONDITIONS[item["op"]](row[item["column"]], item.get("value"))


def _known(condition: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    """Nothing is known of NULL."""
    return lambda value, given: None if value is None else bool(condition(value, given))


_CONDITIONS: dict[str, Callable[[Any, Any], bool | None]] = {
    "is_null": lambda value, _: value is None,
    "is_not_null": lambda value, _: value is not None,
    "eq": _known(lambda value, given: value == given),
    "neq": _known(lambda value, given: value != given),
    "gt": _known(lambda value, given: value > given),
    "lte": _known(lambda value, given: value <= given),
    "in": _known(lambda value, given: value in given),
    "not_in": _known(lambda value, given: value not in given),
    "between": _known(lambda value, given: given[0] <= value <= given[1]),
}


def _held(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "sum": lambda values: sum(_held(values)) if _held(values) else None,
    "min": lambda values: min(_held(values), default=None),
    "max": lambda values: max(_held(values), default=None),
    "avg": lambda values: _average(_held(values)),
    "ids": list,
    "values": _held,
}


def _average(values: list[int]) -> Average | None:
    return Average(Fraction(sum(values), len(values))) if values else None


def _distinct(values: list[Any]) -> list[Any]:
    return sorted(set(_held(values)))


def _columns(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _values(row: Row, columns: Sequence[str]) -> tuple[Any, ...] | None:
    """None when one of them is NULL: it equals nothing."""
    found = tuple(row[column] for column in columns)
    return None if None in found else found
