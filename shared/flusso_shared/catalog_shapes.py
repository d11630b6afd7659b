"""Reads what the types of columns are made of: domains looked through, arrays and composite types taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

from flusso_shared.catalog import Shape

# A type that appears between this statement and the one for the columns is plain until the next start.
_TYPES = """
WITH RECURSIVE needed(type) AS (
    SELECT atttypid FROM pg_attribute WHERE attrelid = ANY(%s) AND attnum > 0 AND NOT attisdropped
    UNION
    SELECT inner_type
    FROM needed JOIN pg_type t ON t.oid = needed.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT e.oid FROM pg_type e WHERE e.typarray = t.oid
        UNION ALL SELECT a.atttypid FROM pg_attribute a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
                    AND NOT a.attisdropped
    ) AS inside(inner_type)
)
SELECT t.oid, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END::text,
       t.typbasetype, coalesce((SELECT e.oid FROM pg_type e WHERE e.typarray = t.oid), 0),
       members.names, members.types
FROM needed JOIN pg_type t ON t.oid = needed.type
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}'),
           coalesce(array_agg(a.atttypid ORDER BY a.attnum), '{}')
    FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
) AS members(names, types)
"""


class _Type(NamedTuple):
    name: str
    base: int
    element: int
    members: Sequence[tuple[str, int]]


def read_shapes(connection: psycopg.Connection[Any], tables: Sequence[int]) -> Mapping[int, Shape]:
    """Oid of a type -> its shape, for every type that columns of the `tables` (oids) have."""
    rows = connection.execute(_TYPES, (list(tables),)).fetchall()
    types = {
        oid: _Type(name, base, element, list(zip(names, inner, strict=True)))
        for oid, name, base, element, names, inner in rows
    }
    return {oid: _shape(oid, types) for oid in types}


def _shape(oid: int, types: Mapping[int, _Type]) -> Shape:
    """Ends: Postgres lets no type contain itself."""
    found = types[oid]
    if found.base:
        return _shape(found.base, types)
    if found.element:
        return Shape(element=_shape(found.element, types))
    if found.members:
        return Shape(members=tuple((name, _shape(type_, types)) for name, type_ in found.members))
    return Shape(found.name)
