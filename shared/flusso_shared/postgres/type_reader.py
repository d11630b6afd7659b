"""Reads what the types of columns are made of: domains looked through, arrays and composite types taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

from flusso_shared.postgres.catalog import TypeShape

# A type that appears between this statement and the one for the columns is plain until the next start.
_TYPES = """
WITH RECURSIVE to_json(type) AS (
    -- `to_json` looks for casts by a function, of types that do not belong to Postgres itself.
    SELECT castsource FROM pg_cast
    WHERE casttarget = 'json'::regtype AND castmethod = 'f' AND castsource >= 16384
), needed(type) AS (
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
       members.names, members.types,
       EXISTS (SELECT FROM to_json j WHERE j.type = t.oid) AND NOT EXISTS (
           SELECT FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
           WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
             AND d.refclassid = 'pg_extension'::regclass AND x.extname = 'hstore'),
       CASE WHEN NOT EXISTS (SELECT FROM to_json j WHERE j.type = t.oid) THEN
            (SELECT min(quote_ident(n.nspname) || '.' || quote_ident(o.typname))
             FROM pg_cast c JOIN to_json j ON j.type = c.casttarget
             JOIN pg_type o ON o.oid = c.casttarget JOIN pg_namespace n ON n.oid = o.typnamespace
             WHERE c.castsource = t.oid AND t.oid >= 16384) END
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
    json_cast: bool
    json_type: str


def read_shapes(
    connection: psycopg.Connection[Any], tables: Sequence[int]
) -> Mapping[int, TypeShape]:
    """Oid of a type -> its shape, for every type that columns of the `tables` (oids) have."""
    rows = connection.execute(_TYPES, (list(tables),)).fetchall()
    types = {
        oid: _Type(
            name, base, element, list(zip(names, inner, strict=True)), json_cast, json_type or ""
        )
        for oid, name, base, element, names, inner, json_cast, json_type in rows
    }
    return {oid: _shape(oid, types) for oid in types}


def _shape(oid: int, types: Mapping[int, _Type]) -> TypeShape:
    """Ends: Postgres lets no type contain itself."""
    found = types[oid]
    if found.base:
        return _shape(found.base, types)
    if found.element:
        return TypeShape(element=_shape(found.element, types))
    if found.members:
        return TypeShape(
            members=tuple((name, _shape(type_, types)) for name, type_ in found.members)
        )
    return TypeShape(found.name, json_cast=found.json_cast, json_type=found.json_type)
