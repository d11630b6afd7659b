"""SQL that checks whether columns still have the types of the catalog.  Pure."""

from __future__ import annotations

from psycopg import sql

from flusso_shared.plan.link_columns import Place
from flusso_shared.postgres.catalog import Catalog

_SAME = """
SELECT {table} FROM pg_attribute WHERE attrelid = {table}::regclass AND NOT attisdropped
AND (attname, format_type(atttypid, atttypmod)) IN ({types}) HAVING count(*) = {columns}
"""


def types_sql(place: Place, catalog: Catalog) -> bytes:
    """A statement with one row if the columns have the types of the catalog, else none."""
    columns = catalog.tables[place.table].columns
    types = [
        sql.SQL("({}, {})").format(sql.Literal(name), sql.Literal(columns[name].type))
        for name in place.columns
    ]
    return (
        sql.SQL(_SAME)
        .format(
            table=sql.Literal(sql.Identifier(*place.table).as_string(None)),
            types=sql.SQL(", ").join(types),
            columns=sql.Literal(len(set(place.columns))),
        )
        .as_bytes(None)
    )
