"""The relations of a table, from foreign keys: one step away, never back.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flusso_cli.init import names
from flusso_cli.init.survey import ForeignKey, Survey
from flusso_shared.names import TableName
from flusso_shared.plan.model import Columns, Junction

_SUFFIXES = ("_id", "_uuid", "_fk", "Id", "ID")
_SIDES = 2


@dataclass(frozen=True, slots=True)
class RelationField:
    """A relation as it is written."""

    kind: Literal["belongs_to", "has_one", "has_many", "many_to_many"]
    table: TableName
    own: Columns
    """Columns of this row."""
    far: Columns
    """Columns of the related row that equal them, or that the junction has."""
    wishes: tuple[str, ...]
    """Document keys, the best first."""
    junction: Junction | None = None
    left_out: Columns = ()
    """Columns of the related row that only repeat this row's key."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A relation that cannot be followed."""

    table: TableName
    reason: str


def relations(survey: Survey, table: TableName) -> Iterator[RelationField | Skipped]:
    """What the foreign keys of a table say, and then those that point at it."""
    for key in survey.keys_of(table):
        yield _checked(survey, _belongs_to(survey, key))
    for key in survey.keys_to(table):
        yield from _from(survey, key)


def _checked(survey: Survey, found: RelationField) -> RelationField | Skipped:
    for name in (found.table, *([found.junction.table] if found.junction else ())):
        if obstacle := survey.obstacle(name):
            return Skipped(name, obstacle)
    return found


def _belongs_to(survey: Survey, key: ForeignKey) -> RelationField:
    target = key.target.name
    wishes = [_by(target, key.columns)]
    if len(key.columns) == 1:
        column = key.columns[0]
        bare = next((column.removesuffix(end) for end in _SUFFIXES if column.endswith(end)), "")
        wishes = [names.document_key(bare)] if bare else []
        wishes += [names.document_key(column, target)]
    elif sum(other.target == key.target for other in survey.keys_of(key.table)) == 1:
        wishes.insert(0, names.document_key(target))
    return RelationField(
        kind="belongs_to",
        table=key.target,
        own=key.columns,
        far=key.target_columns,
        wishes=tuple(wishes),
        required=key.validated and survey.not_null(key.table, key.columns),
    )


def _from(survey: Survey, key: ForeignKey) -> Iterator[RelationField | Skipped]:
    """A foreign key seen from the table that it points at."""
    if key.table not in survey.tables:
        return
    other = _other_side(survey, key)
    if other is not None:
        yield _checked(survey, _many_to_many(key, other))
        if not _says_more(survey, key, other):
            return
    columns = survey.tables[key.table].columns
    yield _checked(
        survey,
        RelationField(
            kind="has_one" if survey.unique(key.table, key.columns) else "has_many",
            table=key.table,
            own=key.target_columns,
            far=key.columns,
            wishes=(names.document_key(key.table.name), _by(key.table.name, key.columns)),
            left_out=key.columns if len(columns) > len(key.columns) else (),
        ),
    )


# --- junctions ----------------------------------------------------------------------------------


def _other_side(survey: Survey, key: ForeignKey) -> ForeignKey | None:
    """The other foreign key of a table that does nothing but connect two rows, or nearly."""
    keys = survey.keys_of(key.table)
    if len(keys) != _SIDES or survey.keys_to(key.table):
        return None
    (other,) = [each for each in keys if each is not key]
    table = survey.tables[key.table]
    linked, own = {*key.columns, *other.columns}, set(table.primary_key)
    bare = own.isdisjoint(linked) and table.columns.keys() <= linked | own
    return other if own == linked or bare else None


def _says_more(survey: Survey, key: ForeignKey, other: ForeignKey) -> bool:
    """Whether the junction has columns that neither end has."""
    table = survey.tables[key.table]
    return not table.columns.keys() <= {*key.columns, *other.columns, *table.primary_key}


def _many_to_many(key: ForeignKey, other: ForeignKey) -> RelationField:
    far, junction = other.target.name, key.table.name
    return RelationField(
        kind="many_to_many",
        table=other.target,
        own=key.target_columns,
        far=other.target_columns,
        wishes=(names.document_key(far), _by(far, other.columns), _by(far, (junction,))),
        junction=Junction(key.table, key.columns, other.columns),
    )


def _by(table: str, columns: Columns) -> str:
    return names.document_key(table, "by", *columns)
