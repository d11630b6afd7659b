"""Which columns, and which raw SQL, an index reads of each table.  Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    AggregateField,
    Condition,
    IndexPlan,
    JoinField,
    RawCondition,
    walk,
)
from flusso_shared.plan.requirements import needs

_WORD = re.compile(r"[^\W\d][\w$]*")
_CALL = re.compile(r'([^\W\d][\w$]*|"(?:[^"]|"")+")\s*\(')


@dataclass(frozen=True, slots=True)
class Use:
    """What indexes read of one table."""

    columns: frozenset[str]
    """Columns that the schemas name."""
    raw: frozenset[str] = frozenset()
    """SQL of the schemas that is evaluated for its rows."""
    root: bool = False
    """Whether its rows are documents."""

    def reads(self, column: str) -> bool:
        """Whether the column is named, or may be, in raw SQL."""
        return column in self.columns or any(_mentions(text, column) for text in self.raw)

    @property
    def functions(self) -> frozenset[str]:
        """Names in raw SQL that may be functions."""
        names = {name for text in self.raw for name in _CALL.findall(text)}
        return frozenset(
            name[1:-1].replace('""', '"') if name[0] == '"' else name.lower() for name in names
        )


def used_columns(indexes: Iterable[IndexPlan]) -> dict[TableName, Use]:
    """Per table, over all of `indexes`."""
    columns: dict[TableName, set[str]] = {}
    raw: dict[TableName, set[str]] = {}
    roots: set[TableName] = set()
    for index in indexes:
        roots.add(index.root)
        for table in index.tables:
            columns.setdefault(table, set())
        for need in needs(index):
            columns.setdefault(need.table, set()).update({need.column} - {""})
        for way in index.ways:
            columns.setdefault(way.table, set()).update(way.columns)
        for table, text in _raw(index):
            raw.setdefault(table, set()).add(text)
    return {
        table: Use(frozenset(found), frozenset(raw.get(table, ())), table in roots)
        for table, found in columns.items()
    }


def _raw(index: IndexPlan) -> Iterator[tuple[TableName, str]]:
    when = index.soft_delete.when if index.soft_delete is not None else ()
    for text in _texts((*index.filters, *when)):
        yield index.root, text
    for field in walk(index.fields):
        if isinstance(field, JoinField | AggregateField):
            for text in _texts(field.edge.filters):
                yield field.edge.table, text


def _texts(conditions: Collection[Condition]) -> Iterator[str]:
    for condition in conditions:
        if isinstance(condition, RawCondition):
            yield condition.sql


def _mentions(text: str, column: str) -> bool:
    return f'"{column.replace(chr(34), chr(34) * 2)}"' in text or column in {
        word.lower() for word in _WORD.findall(text)
    }
