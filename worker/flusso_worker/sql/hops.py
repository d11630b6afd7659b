"""SQL of one hop on the way up: values of some columns -> values of others, for all keys of a batch.  Pure.

Values have the types of the columns that they were read from, so that `=` between them and the columns of the hop is
the same as in the SQL that joins them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from psycopg import sql

from flusso_shared.names import TableName
from flusso_shared.plan.link_columns import Place
from flusso_shared.plan.model import Columns, Hop
from flusso_shared.postgres.catalog import Catalog, Column
from flusso_worker.sql.identifiers import table
from flusso_worker.sql.keys import is_array

_INTEGERS = ("int2", "int4", "int8")
_VARCHAR_LENGTH = re.compile(r"character varying\((\d+)\)")
_MAX_PADDED_LENGTH = 64
"""Characters of a varchar up to which an index is used for values of type char."""


def hop_sql(hop: Hop, catalog: Catalog, given: Place | None = None) -> bytes:
    """`SELECT DISTINCT give FROM table WHERE match = <values of `given`>`, all as text.

    Without `given` they are values of the columns of the hop.
    """
    give = sql.SQL(", ").join(
        sql.SQL("t.{}::text").format(sql.Identifier(column)) for column in hop.give
    )
    statement = sql.SQL("SELECT DISTINCT {} FROM {} AS t{} WHERE {}").format(
        give, table(hop.table), *keys_given(hop.table, hop.match, catalog, "t", given)
    )
    return statement.as_bytes(None)


def values_sql(given: Place, catalog: Catalog) -> bytes:
    """A statement that fails for values that the columns of `given` cannot have; parameters as in `hop_sql`."""
    columns = _columns(given, catalog)
    values = [
        sql.SQL("(SELECT count(v{}) FROM unnest({}) AS g(v))").format(_cast(column), parameter)
        for column, parameter in zip(columns, _parameters(columns), strict=True)
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(values)).as_bytes(None)


def keys_given(
    name: TableName, columns: Columns, catalog: Catalog, alias: str, given: Place | None = None
) -> tuple[sql.Composable, sql.Composable]:
    """Additions to FROM and WHERE that select the rows of `alias` whose columns equal the values in `$1`, `$2`, ...

    Parameters are array literals in text format, one per column, of values of the columns `given`: by default the
    same columns.  A single column is compared by `= ANY`, for which Postgres uses an index.
    """
    own = [sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(c)) for c in columns]
    targets = _columns(Place(name, columns), catalog)
    sources = targets if given is None else _columns(given, catalog)
    parameters = _parameters(sources)
    pairs = list(zip(sources, targets, strict=True))
    if len(own) == 1 and not is_array(sources[0]):
        values = sql.SQL("$1") if _inferred(*pairs[0]) else parameters[0]
        equal = sql.SQL("{} = ANY({}{})").format(own[0], values, _collate(*pairs[0]))
        given_values = sql.SQL("unnest({})").format(parameters[0])
        return sql.SQL(""), _indexed(equal, own[0], given_values, *pairs[0])
    names = [sql.Identifier(f"k{at}") for at in range(1, len(own) + 1)]
    source = sql.SQL(", unnest({}) AS given({})").format(
        sql.SQL(", ").join(parameters), sql.SQL(", ").join(names)
    )
    terms = [
        sql.SQL("{} = given.{}{}{}").format(mine, key, _cast(pair[0]), _collate(*pair))
        for mine, key, pair in zip(own, names, pairs, strict=True)
    ]
    return source, sql.SQL(" AND ").join(terms)


def _inferred(given: Column, mine: Column) -> bool:
    """Whether Postgres can infer the type of the parameter from the column, which is right even if that changes.

    It cannot for a composite type, which is compared as a record.  `regclass` and similar types compare as numbers.
    """
    special = mine.shape.members or mine.shape.name.startswith("reg")
    return given.compared_type == mine.compared_type and not special


def equal_columns(
    mine: tuple[sql.Composable, Column], other: tuple[sql.Composable, Column]
) -> sql.Composable:
    """`=` of two columns, where rows of the first are looked up by values of the other."""
    equal = sql.SQL("{} = {}").format(mine[0], other[0])
    one = sql.SQL("(VALUES ({}))").format(other[0])
    return _indexed(equal, mine[0], one, other[1], mine[1])


def _indexed(
    equal: sql.Composable, own: sql.Composable, values: sql.Composable, given: Column, mine: Column
) -> sql.Composable:
    """`equal`, with a wider condition added where Postgres would cast the column of the row and use no index."""
    one, other = given.shape.name, mine.shape.name
    if one == "numeric" and other in _INTEGERS:
        wider = sql.SQL(
            "{own} = ANY(ARRAY(SELECT CASE WHEN v = trunc(v) AND v BETWEEN -9223372036854775808 AND"
            " 9223372036854775807 THEN v::int8 END FROM {values} AS g(v)))"
        )
    elif one == "bpchar" and other == "varchar" and given.equality.deterministic and _length(mine):
        # With every padding up to the length of the column.
        wider = sql.SQL(
            "{own} = ANY(ARRAY(SELECT rpad(v::text, n) FROM {values} AS g(v),"
            " generate_series(length(v), {most}) AS n))"
        )
    else:
        return equal
    term = wider.format(own=own, values=values, most=sql.Literal(_length(mine)))
    return sql.SQL("{} AND {}").format(equal, term)


def _length(column: Column) -> int:
    """The length of a short varchar; else 0."""
    found = _VARCHAR_LENGTH.fullmatch(column.base_type)
    length = int(found[1]) if found and not column.equality.collation else 0
    return length if length <= _MAX_PADDED_LENGTH else 0


def _columns(place: Place, catalog: Catalog) -> list[Column]:
    row = catalog.tables[place.table]
    return [row.columns[name] for name in place.columns]


def _parameters(columns: Sequence[Column]) -> Sequence[sql.Composable]:
    # `format_type()` quotes names where needed.
    return [
        sql.SQL(f"${at}::{'text' if is_array(column) else column.compared_type}[]")  # pyright: ignore[reportArgumentType]
        for at, column in enumerate(columns, 1)
    ]


def _cast(column: Column) -> sql.Composable:
    """The cast of a value from its text, for arrays: `unnest` would split nested arrays into single elements."""
    type_ = f"::{column.compared_type}"
    return sql.SQL(type_ if is_array(column) else "")  # pyright: ignore[reportArgumentType]


def _collate(given: Column, mine: Column) -> sql.Composable:
    """The collation of the column that the values come from, where that of the rows finds other rows.

    Any deterministic collation finds the same rows as that of the column, which its index uses.
    """
    if given.equality.deterministic or mine.equality.collation:
        return sql.SQL("")
    return sql.SQL(f" COLLATE {given.equality.collation}")  # pyright: ignore[reportArgumentType]
