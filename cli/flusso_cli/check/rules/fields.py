"""Fields that read a column against that column: its type, and whether it may be NULL.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from flusso_cli.check.probe.facts import DatabaseFacts, ValueType
from flusso_cli.check.rules import relations, types
from flusso_cli.check.rules.column_facts import ColumnFacts
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.names import TableName
from flusso_shared.plan.field_paths import walk
from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    Columns,
    Field,
    GeoField,
    IndexPlan,
    JoinField,
)

_ANY = ("json", "map", "geo")
"""Types of fields whose values may be lists in themselves."""


def check_fields(index: IndexPlan, facts: DatabaseFacts) -> list[Diagnostic]:
    """Types and nullability of everything that is there."""
    known = ColumnFacts(index, facts)
    found = [*_soft_delete(known), *relations.root_key(known)]
    for placed in walk(index.fields):
        key = index.key if placed.relation is None else placed.relation.primary_key
        found.extend(_field(known, placed.field, placed.table(index.root), key, placed.path))
    return found


def _field(
    known: ColumnFacts, field: Field, table: TableName, key: Columns, path: str
) -> Iterator[Diagnostic]:
    match field:
        case ColumnField():
            yield from _column(known, field, table, key, path)
        case GeoField():
            yield from _geo(known, field, table, path)
        case JoinField():
            yield from relations.join(known, field, table, path)
        case AggregateField():
            yield from relations.aggregate(known, field, table, path)
        case _:
            pass


def _column(
    known: ColumnFacts, field: ColumnField, table: TableName, key: Columns, path: str
) -> Iterator[Diagnostic]:
    type_ = known.type(table, field.column)
    if type_ is None:
        return
    yield from _accepted(known, field, table, type_, path)
    yield from _array(known, field, table, type_, path)
    required = not field.nullable and field.default is None and field.column not in key
    if required and not field.path:
        cure = "add NOT NULL to the column or a `default` to the field, or write `required: false`"
        yield from known.may_be_null(table, (field.column,), path, cure)


def _accepted(
    known: ColumnFacts, field: ColumnField, table: TableName, type_: ValueType, path: str
) -> Iterator[Diagnostic]:
    column = known.named(table, field.column)
    declared = known.declared(table, field.column)
    if field.path:
        if type_.name not in types.DOCUMENTS or type_.array:
            message = f"`path` looks inside json and jsonb columns, not {column}"
            yield known.finding("error", "column-type", path, message, "leave `path` out")
    elif field.kind == "custom":
        if not types.listed_by(field.postgres, type_, declared):
            message = f"`postgres: [{', '.join(field.postgres)}]` does not have {column}"
            cure = f"write `postgres: [{types.normalized(declared[0])}]`"
            yield known.finding("error", "column-type", path, message, cure)
    elif field.kind in types.ACCEPTED and not types.accepts(field.kind, type_):
        message = f"`{field.kind}` does not take {column}"
        cure = f"for this column write {types.fitting(type_)}"
        yield known.finding("error", "column-type", path, message, cure)


def _array(
    known: ColumnFacts, field: ColumnField, table: TableName, type_: ValueType, path: str
) -> Iterator[Diagnostic]:
    """What generated models go by; to Postgres and OpenSearch it is all one."""
    if field.path or field.kind in _ANY or type_.array == field.array:
        return
    column = known.named(table, field.column)
    if type_.array:
        message, cure = f"models would have one value of {column}, an array", "add `array: true`"
    else:
        message, cure = f"`array: true`, but {column}, is no array", "leave `array` out"
    yield known.finding("warning", "array-column", path, message, cure)


def _geo(known: ColumnFacts, field: GeoField, table: TableName, path: str) -> Iterator[Diagnostic]:
    for column in (field.lat, field.lon):
        type_ = known.type(table, column)
        if type_ is None:
            continue
        if type_.name not in types.NUMBERS or type_.array:
            message = f"a coordinate must be a number, not {known.named(table, column)}"
            cure = "name numeric columns for `lat` and `lon`"
            yield known.finding("error", "column-type", path, message, cure)
    if not field.nullable:
        cure = "add NOT NULL to the columns, or write `required: false`"
        yield from known.may_be_null(table, (field.lat, field.lon), path, cure)


def _soft_delete(known: ColumnFacts) -> Iterator[Diagnostic]:
    marker, root = known.index.soft_delete, known.index.root
    type_ = None if marker is None else known.type(root, marker.column)
    if marker is None or type_ is None or marker.when:
        return
    if type_.name in types.NUMBERS | types.TEXTS or type_.array:
        yield known.finding(
            "warning",
            "soft-delete-type",
            "soft_delete",
            f"{known.named(root, marker.column)}, marks deleted rows: every value but NULL counts, also 0 and ''",
            "use a boolean or timestamp column, or say more with `when`",
        )
