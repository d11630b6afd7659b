"""SQL of one hop on the way up: values of some columns -> values of others, for all keys of a batch.  Pure."""

from __future__ import annotations

from psycopg import sql

from flusso_shared.catalog import Catalog
from flusso_shared.names import TableName
from flusso_shared.plan import Columns, Hop


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
    if len(own) == 1:
        return sql.SQL(""), sql.SQL("{} = ANY($1)").format(own[0])
    types = [catalog.tables[name].columns[column].type for column in columns]
    # `format_type()` quotes what needs it.
    arrays = sql.SQL(", ").join(
        sql.SQL(f"${at}::{type_}[]")  # pyright: ignore[reportArgumentType]
        for at, type_ in enumerate(types, 1)
    )
    names = [sql.Identifier(f"k{at}") for at in range(1, len(own) + 1)]
    source = sql.SQL(", unnest({}) AS given({})").format(arrays, sql.SQL(", ").join(names))
    equal = [
        sql.SQL("{} = given.{}").format(mine, key) for mine, key in zip(own, names, strict=True)
    ]
    return source, sql.SQL(" AND ").join(equal)
