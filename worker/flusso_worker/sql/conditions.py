"""Filters, soft delete and order as SQL.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString

from psycopg import sql

from flusso_shared.plan.model import (
    CompareCondition,
    Condition,
    NullCondition,
    OrderBy,
    RawCondition,
    SoftDelete,
)
from flusso_shared.postgres.catalog import Table
from flusso_worker.sql.identifiers import table

_OPERATORS: dict[str, LiteralString] = {
    "eq": "=",
    "neq": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "in": "IN",
    "not_in": "NOT IN",
}


def filtered(
    row: Table, filters: Sequence[Condition], soft_delete: SoftDelete | None = None
) -> sql.Composable:
    """The table as a FROM item with only the rows that pass the filters and are not deleted.

    The conditions are in a sub-select of their own, so that unqualified names, which raw filters use, can refer
    only to columns of this table.  Postgres pulls such a sub-select up, so it costs nothing.
    """
    kept = [_condition(item, "") for item in filters]
    if soft_delete is not None:
        kept.append(_kept(soft_delete, row))
    if not kept:
        return table(row.name)
    where = sql.SQL(" AND ").join(kept)
    return sql.SQL("(SELECT * FROM {} WHERE {})").format(table(row.name), where)


def conditions(filters: Iterable[Condition], alias: str) -> sql.Composable:
    """All conditions, over columns of `alias`; raw ones are not allowed."""
    return sql.SQL(" AND ").join([_condition(item, alias) for item in filters])


def _condition(item: Condition, alias: str) -> sql.Composable:
    """One condition in parentheses.  Operands are untyped literals, to which Postgres gives the type of the column."""
    match item:
        case RawCondition(text):
            return sql.SQL("(" + text + "\n)")  # pyright: ignore[reportArgumentType]  # SQL of the user
        case NullCondition(column, negated):
            test = sql.SQL("IS NOT NULL" if negated else "IS NULL")
            return sql.SQL("({} {})").format(_column(column, alias), test)
        case CompareCondition():
            return _compare(item, alias)


def _column(name: str, alias: str) -> sql.Composable:
    return sql.Identifier(alias, name) if alias else sql.Identifier(name)


def _compare(item: CompareCondition, alias: str) -> sql.Composable:
    column = _column(item.column, alias)
    operands = [sql.Literal(operand) for operand in item.operands]
    if item.op == "between":
        return sql.SQL("({} BETWEEN {} AND {})").format(column, *operands)
    operator = sql.SQL(_OPERATORS[item.op])
    if item.op in ("in", "not_in"):
        listed = sql.SQL(", ").join(operands)
        return sql.SQL("({} {} ({}))").format(column, operator, listed)
    return sql.SQL("({} {} {})").format(column, operator, operands[0])


def _kept(soft_delete: SoftDelete, row: Table) -> sql.Composable:
    """Not (the marker is set and every `when` is true).  A boolean marker is set if true, others if not NULL.

    A `when` that is NULL while the marker is set excludes the row, as a root filter would.
    """
    marker = sql.Identifier(soft_delete.column)
    boolean = row.columns[soft_delete.column].base_type == "boolean"
    marked = sql.SQL("({} IS TRUE)" if boolean else "({} IS NOT NULL)").format(marker)
    parts = [marked, *(_condition(item, "") for item in soft_delete.when)]
    return sql.SQL("(NOT ({}))").format(sql.SQL(" AND ").join(parts))


def ordered(alias: str, order_by: Sequence[OrderBy], tie_break: Sequence[str]) -> sql.Composable:
    """ORDER BY terms: the declared ones, then the key, so that equal rows always produce equal documents."""
    own = sql.Identifier(alias)
    terms = [
        sql.SQL("{}.{} {}").format(
            own, sql.Identifier(term.column), sql.SQL("DESC" if term.descending else "ASC")
        )
        for term in order_by
    ]
    declared = {term.column for term in order_by}
    terms += [
        sql.SQL("{}.{}").format(own, sql.Identifier(column))
        for column in tie_break
        if column not in declared
    ]
    return sql.SQL(", ").join(terms)
