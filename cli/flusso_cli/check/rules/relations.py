"""Keys, relations and aggregates against the tables that they lead to.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from flusso_cli.check.probe.facts import DatabaseFacts, ValueType
from flusso_cli.check.rules import types
from flusso_cli.check.rules.column_facts import ColumnFacts
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.names import TableName
from flusso_shared.plan.model import AggregateField, Edge, JoinField
from flusso_shared.plan.requirements import MissingRequirement
from flusso_shared.problems import listed

_CURES = {
    "unknown-table": "correct the name, create the table, or let the role see its schema",
    "unknown-column": "correct the name, or add the column",
    "key-width": "name as many columns on both sides",
}


def missing(requirement: MissingRequirement, facts: DatabaseFacts) -> Diagnostic:
    """A table or column that is not there, or is there in a form that cannot be followed."""
    name = requirement.need.table
    message, cure, rule = requirement.reason, _CURES.get(requirement.rule, ""), requirement.rule
    elsewhere = [each for each in facts.existing if each.name == name.name and each != name]
    if requirement.refusal is not None:
        cure = requirement.refusal.cure
    elif rule == "unknown-table" and elsewhere:
        message = f"there is no table `{name}` in the database, but there is `{elsewhere[0]}`"
        cure = f"write `schema: {elsewhere[0].schema}` beside `table`"
    elif rule == "no-primary-key":
        message = f"table `{name}` has no primary key: its rows have no name in the change log"
        cure = "add one, for example over columns that are unique already"
    return Diagnostic(
        "error",
        rule,
        message,
        index=requirement.index.name,
        field=requirement.need.field,
        cure=cure,
        sql=(requirement.refusal.sql,) if requirement.refusal and requirement.refusal.sql else (),
        name=requirement.need.column or name.name,
    )


def root_key(known: ColumnFacts) -> Iterator[Diagnostic]:
    """The key that names documents must name one row each."""
    index = known.index
    if not known.unique(index.root, index.key):
        yield known.finding(
            "error",
            "key-not-unique",
            "primary_key",
            f"{listed(index.key)} is not unique in table `{index.root}`: several rows would share a document",
            "name the table's primary key, or columns with a unique index",
        )
    for column in index.key:
        if known.nullable(index.root, column):
            yield known.finding(
                "warning",
                "nullable-column",
                "primary_key",
                f"column `{column}` of table `{index.root}` may be NULL: such rows have no document",
                "add NOT NULL to the column",
            )


def join(
    known: ColumnFacts, field: JoinField, parent: TableName, path: str
) -> Iterator[Diagnostic]:
    """What a relation's keys promise."""
    edge = field.edge
    if field.kind == "belongs_to":
        columns = () if field.nullable else edge.parent
        cure = "add NOT NULL to the column, or write `required: false`"
        yield from known.may_be_null(parent, columns, path, cure)
    else:
        yield from _references(known, edge, parent, path)
    unique = known.unique(edge.table, edge.child)
    if field.kind in ("belongs_to", "many_to_many") and not unique:
        yield known.finding(
            "warning",
            "key-not-unique",
            path,
            f"{listed(edge.child)} is not unique in table `{edge.table}`: one key may mean several rows",
            "name the table's primary key, or columns with a unique index",
        )
    if field.kind == "has_one" and not (unique or edge.order_by or edge.filters):
        yield known.finding(
            "warning",
            "has-one-of-many",
            path,
            f"{listed(edge.child)} is not unique in table `{edge.table}`: of several rows the one with the"
            " least key is taken",
            "make it unique, say which row with `order_by`, or use `has_many`",
        )


def aggregate(
    known: ColumnFacts, field: AggregateField, parent: TableName, path: str
) -> Iterator[Diagnostic]:
    """The aggregated column's type, and the type of what comes out."""
    yield from _references(known, field.edge, parent, path)
    if field.op == "ids":
        yield from _ids(known, field, path)
    table, column = field.edge.table, field.column
    type_ = None if column is None else known.type(table, column)
    if column is None or type_ is None:
        return
    numbers = type_.name in types.NUMBERS and not type_.array
    if field.op in ("sum", "avg") and not numbers:
        message = f"`{field.op}` takes numbers, not {known.named(table, column)}"
        yield known.finding("error", "column-type", path, message, "name a numeric column")
    elif field.op == "values":
        if types.holds(field.mapping.type, type_.name, type_.kind) is not True:
            message = f"`{field.mapping.type}` does not hold {known.named(table, column)}"
            cure = f"write `element_type: {types.tag_for(type_.name)}`"
            yield known.finding("error", "column-type", path, message, cure)
    elif field.op in ("sum", "min", "max"):
        yield from _result(known, field, type_, path)


def _references(
    known: ColumnFacts, edge: Edge, parent: TableName, path: str
) -> Iterator[Diagnostic]:
    """Other columns than the key, that related rows name their parent by, must name one."""
    if not known.unique(parent, edge.parent):
        yield known.finding(
            "warning",
            "key-not-unique",
            path,
            f"{listed(edge.parent)} is not unique in table `{parent}`: related rows would stand in several",
            "let `references` name columns with a unique index",
        )


def _result(
    known: ColumnFacts, field: AggregateField, type_: ValueType, path: str
) -> Iterator[Diagnostic]:
    mapping, result = field.mapping.type, types.result(field.op, type_)
    fits = types.holds(mapping, result, type_.kind)
    # Everyday sums of `bigint` are far from what only `numeric` holds.
    if fits or (field.op, type_.name, mapping) == ("sum", "int8", "long"):
        return
    column = known.named(field.edge.table, field.column or "")
    what = f"`{field.op}` of {column}, is {types.shown(result)}"
    cure = f"write `value_type: {types.tag_for(result)}`"
    if fits is None and types.holds(mapping, type_.name):
        message = f"{what}: a result too large for `{mapping}` is refused"
        yield known.finding("warning", "narrow-result", path, message, cure)
    else:
        message = f"{what}, which `{mapping}` does not hold"
        yield known.finding("error", "column-type", path, message, cure)


def _ids(known: ColumnFacts, field: AggregateField, path: str) -> Iterator[Diagnostic]:
    table = known.facts.catalog.tables.get(field.edge.table)
    if table is None or not table.primary_key:
        return
    name, kind = "text", "b"
    if len(table.primary_key) == 1 and (type_ := known.type(table.name, table.primary_key[0])):
        name, kind = type_.name, type_.kind
    if types.holds(field.mapping.type, name, kind):
        return
    what = types.shown(name) if len(table.primary_key) == 1 else "several columns, joined with `:`"
    yield known.finding(
        "error",
        "column-type",
        path,
        f"`{field.mapping.type}` does not hold the primary key of table `{table.name}`: {what}",
        f"write `element_type: {types.tag_for(name)}`",
    )
