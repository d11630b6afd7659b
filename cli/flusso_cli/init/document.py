"""A table -> the text of its schema file.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flusso_cli.init import names
from flusso_cli.init.columns import ColumnField, Sibling, column_fields
from flusso_cli.init.relations import RelationField, Skipped, relations
from flusso_cli.init.survey import Survey
from flusso_shared.names import TableName

_MOST_PROPERTIES = 1000
_MOST_NESTED = 50
"""What OpenSearch takes in one index, unless it is told otherwise."""
_LEFT_OUT = (
    "  # OpenSearch takes {} properties and {} nested fields in one index: the rest is left out."
)
_MARKERS = ("deleted_at", "deleted", "is_deleted", "archived_at")
_HEADER = """\
# yaml-language-server: $schema=index.schema.json
# One document per row of {table}.  `flusso init` wrote this from the catalog; it is yours to change:
# remove what is never searched, rename keys (then `column` says what they read), add aggregates.
# Each field is `type: key`.  The first line is for editors.  `flusso check` says what is wrong.
version: 1
table: {name}
"""


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A file, and what is told of it."""

    text: str
    fields: int
    relations: int
    left_out: int
    """Fields and relations that are in the file as comments only."""


@dataclass
class _Budget:
    """What still fits into one index."""

    properties: int = _MOST_PROPERTIES
    nested: int = _MOST_NESTED
    left_out: int = field(default=0)

    def take(self, properties: int, nested: int) -> bool:
        if properties > self.properties or nested > self.nested:
            self.left_out += 1
            return False
        self.properties -= properties
        self.nested -= nested
        return True


def schema_file(survey: Survey, table: TableName) -> SchemaFile:
    """The schema of documents over `table`: its columns, and rows that are one relation away."""
    budget, own = _Budget(), column_fields(survey, table)
    lines: list[str] = []
    for item in own:
        lines += _fitting(budget, item.properties, 0, _column(item, "  "))
    related = list(relations(survey, table))
    taken = {item.key for item in own}
    for found in related:
        lines.append("")
        if isinstance(found, Skipped):
            lines.append(f"  # Not followed: {names.shown(found.table)}; {found.reason}.")
        else:
            lines += _relation(survey, table, found, taken, budget)
    if budget.left_out:
        lines.append(_LEFT_OUT.format(_MOST_PROPERTIES, _MOST_NESTED))
    return SchemaFile(
        text="\n".join([_top(survey, table), *lines, ""]),
        fields=len(own),
        relations=sum(isinstance(found, RelationField) for found in related),
        left_out=budget.left_out,
    )


def _top(survey: Survey, table: TableName) -> str:
    known = survey.tables[table]
    text = _HEADER.format(table=names.shown(table), name=names.identifier(table.name))
    lines = [] if table.schema == "public" else [f"schema: {names.identifier(table.schema)}"]
    lines.append(f"primary_key: {names.identifiers(known.primary_key)}")
    marker = next((name for name in _MARKERS if name in known.columns), None)
    if marker is not None:
        lines.append(f"# soft_delete: {{ column: {marker} }} # then such rows have no document")
    return text + "\n".join([*lines, "fields:"])


def _relation(
    survey: Survey, parent: TableName, found: RelationField, taken: set[str], budget: _Budget
) -> list[str]:
    key = names.free(found.wishes, taken)
    taken.add(key)
    fields = column_fields(survey, found.table, found.left_out)
    lines = [f"  # {_comment(parent, found)}", f"  - {found.kind}: {key}"]
    lines += [f"    {name}: {value}" for name, value in _siblings(survey, parent, found, key)]
    lines.append("    fields:")
    for item in fields:
        lines += _column(item, "      ")
    properties = 1 + sum(item.properties for item in fields)
    many = found.kind in ("has_many", "many_to_many")
    return _fitting(budget, properties, int(many), lines)


def _comment(parent: TableName, found: RelationField) -> str:
    own = names.one_line(f"{parent.name} ({', '.join(found.own)})")
    far = names.one_line(f"{found.table} ({', '.join(found.far)})")
    if found.kind == "belongs_to":
        return f"{own} -> {far}"
    if found.junction is not None:
        return f"{own} <- {names.shown(found.junction.table)} -> {far}"
    return f"{own} <- {far}"


def _siblings(
    survey: Survey, parent: TableName, found: RelationField, key: str
) -> Iterable[Sibling]:
    if found.kind == "belongs_to" and found.own != (key.lower(),):
        yield "column", names.identifiers(found.own)
    yield "table", names.identifier(found.table.name)
    if found.table.schema != parent.schema:
        yield "schema", names.identifier(found.table.schema)
    if found.kind in ("belongs_to", "many_to_many"):
        yield "primary_key", names.identifiers(found.far)
    else:
        yield "primary_key", names.identifiers(survey.tables[found.table].primary_key)
        yield "foreign_key", names.identifiers(found.far)
    if found.kind != "belongs_to" and found.own != survey.tables[parent].primary_key:
        yield "references", names.identifiers(found.own)
    if found.junction is not None:
        junction = found.junction
        parts = [f"table: {names.identifier(junction.table.name)}"]
        if junction.table.schema != parent.schema:
            parts.append(f"schema: {names.identifier(junction.table.schema)}")
        parts.append(f"left_key: {names.identifiers(junction.left)}")
        parts.append(f"right_key: {names.identifiers(junction.right)}")
        yield "through", f"{{ {', '.join(parts)} }}"
    if found.required:
        yield "required", "true"


def _column(item: ColumnField, indent: str) -> list[str]:
    lines = [f"{indent}- {item.tag}: {names.scalar(item.key)}"]
    return lines + [f"{indent}  {name}: {value}" for name, value in item.siblings]


def _fitting(budget: _Budget, properties: int, nested: int, lines: list[str]) -> list[str]:
    """The lines, as comments when the index has no room for them."""
    if budget.take(properties, nested):
        return lines
    return [line if line.lstrip().startswith("#") else f"  # {line[2:]}" for line in lines]
