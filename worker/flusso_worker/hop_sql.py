"""SQL of one hop on the way up: values of some columns -> values of others, for all keys of a batch.  Pure."""

from __future__ import annotations

from psycopg import sql

from flusso_shared.catalog import Catalog, Table
from flusso_shared.names import TableName
from flusso_shared.plan import Columns, Hop
from flusso_worker.key_sql import is_array


def hop_sql(hop: Hop, catalog: Catalog) -> bytes:
    """`SELECT DISTINCT give FROM table WHERE match = <the keys given>`, all as text."""
    give = sql.SQL(", ").join(
        sql.SQL("t.{}::text").format(sql.Identifier(column)) for column in hop.give
    )
    statement = sql.SQL("SELECT DISTINCT {} FROM {} AS t{} WHERE {}").format(
        give, table(hop.table), *keys_given(hop.table, hop.match, catalog, "t")
    )
    return statement.as_bytes(None)


def table(name: TableName) -> sql.Composable:
    """The qualified name."""
    return sql.Identifier(name.schema, name.name)


def keys_given(
    name: TableName, columns: Columns, catalog: Catalog, alias: str
) -> tuple[sql.Composable, sql.Composable]:
    """What goes behind FROM and into WHERE so that `alias` rows are those of the keys in `$1`, `$2`, ...

    Parameters are array literals in text form, one per column.  A single one stays untyped: Postgres
    infers the array type from the column, so that an index serves it.
    """
    own = [sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(c)) for c in columns]
    row = catalog.tables[name]
    if len(own) == 1 and not is_array(columns[0], row):
        parameter = _parameter(1, columns[0], row) if _anonymous(columns[0], row) else sql.SQL("$1")
        return sql.SQL(""), sql.SQL("{} = ANY({})").format(own[0], parameter)
    arrays = sql.SQL(", ").join(_parameter(at, column, row) for at, column in enumerate(columns, 1))
    names = [sql.Identifier(f"k{at}") for at in range(1, len(own) + 1)]
    source = sql.SQL(", unnest({}) AS given({})").format(arrays, sql.SQL(", ").join(names))
    equal = [
        sql.SQL("{} = given.{}{}").format(mine, key, _cast(column, row))
        for mine, key, column in zip(own, names, columns, strict=True)
    ]
    return source, sql.SQL(" AND ").join(equal)


# `format_type()` quotes what needs it.
def _parameter(at: int, column: str, row: Table) -> sql.Composable:
    type_ = "text" if is_array(column, row) else row.columns[column].type
    return sql.SQL(f"${at}::{type_}[]")  # pyright: ignore[reportArgumentType]


def _anonymous(column: str, row: Table) -> bool:
    """Whether the column's type, a composite one, compares as what has no name, so that nothing can be inferred."""
    return bool(row.columns[column].shape.members)


def _cast(column: str, row: Table) -> sql.Composable:
    """An array comes as the text of it: `unnest` would take arrays of arrays apart to the last element."""
    type_ = row.columns[column].type
    return sql.SQL(f"::{type_}" if is_array(column, row) else "")  # pyright: ignore[reportArgumentType]
