"""A value and its type -> the SQL of its JSON, where `to_json` alone loses or changes something.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

from psycopg import sql

from flusso_shared.postgres.catalog import TypeShape

_MAX_DIMENSIONS = 6
"""Of an array in Postgres."""
_DATES = ("date", "timestamp", "timestamptz")
_BASE64: LiteralString = "translate(encode({0}, 'base64'), E'\\n', '')"

# ISO 8601, which OpenSearch reads: years after 9999 have a sign, and the year before 1 is 0.
_DATE: LiteralString = """CASE WHEN ({0} < '0001-01-01' OR {0} >= '10000-01-01') AND isfinite({0})
 THEN to_json(CASE WHEN {0} < '0001-01-01'
  THEN CASE WHEN extract(year FROM {0}) < -1 THEN '-' ELSE '' END
   || to_char(abs(extract(year FROM {0}) + 1), 'FM0000')
   || regexp_replace(to_json({0})::text, '^"[0-9]+|( BC)?"$', '', 'g')
  ELSE '+' || btrim(to_json({0})::text, '"') END)
 ELSE to_json({0}) END"""
# The output of the type, even if it has a cast to text.
_TEXT: LiteralString = "CASE WHEN {0} IS NOT NULL THEN format('%s', {0}) END"
# OpenSearch does not accept a member `crs` in a point.
_GEO_JSON: LiteralString = """(SELECT CASE WHEN jsonb_typeof(g.j) = 'object' THEN g.j - 'crs' ELSE g.j END
 FROM (SELECT to_json({0}{1})::jsonb) AS g(j))"""
_ODD_DATES: LiteralString = "'0001-01-01' > ANY({0}) OR '10000-01-01' <= ANY({0})"

Convert = Callable[[sql.Composable], sql.Composable]


def json_value(value: sql.Composable, shape: TypeShape) -> sql.Composable:
    """The value, converted to a type from which Postgres makes the JSON of docs/types.md."""
    if not _needs_conversion(shape):
        return value
    if shape.json_cast:
        return sql.SQL(_TEXT).format(value)
    if shape.element is not None:
        return _array(value, shape.element)
    if shape.members:
        return _composite(value, shape.members)
    match shape.name:
        case "bytea":
            return sql.SQL(_BASE64).format(value)
        case "money":
            return sql.SQL("{}::numeric").format(value)
        case "bpchar":
            return sql.SQL("{}::text").format(value)
        case _:
            return sql.SQL(_DATE).format(value)


def geo_json(value: sql.Composable, shape: TypeShape) -> sql.Composable | None:
    """The result of the cast of the type to json: GeoJSON for geometries.  None where there is no such cast."""
    element = shape.element or shape
    if not element.json_cast and not element.json_type:
        return None

    def one(item: sql.Composable) -> sql.Composable:
        # `json_type` was quoted with quote_ident().
        cast = sql.SQL(f"::{element.json_type}" if element.json_type else "")  # pyright: ignore[reportArgumentType]
        return sql.SQL(_GEO_JSON).format(item, cast)

    return one(value) if element is shape else json_elements(value, one)


def json_elements(value: sql.Composable, convert: Convert) -> sql.Composable:
    """An array of any dimensions as JSON; `convert` is applied to each element that is not NULL.

    The text of the elements in their order, with brackets where a slice of a dimension starts or ends.
    """
    element = sql.SQL("e.v")
    return sql.SQL(
        "CASE WHEN cardinality({value}) = 0 THEN '[]'::json WHEN cardinality({value}) > 0 THEN"
        " (SELECT string_agg(repeat('[', (SELECT count(*) FROM unnest(s.p) AS p WHERE mod(e.n - 1, p) = 0)::int)"
        " || coalesce(to_json({element})::text, 'null')"
        " || repeat(']', (SELECT count(*) FROM unnest(s.p) AS p WHERE mod(e.n, p) = 0)::int), ',' ORDER BY e.n)"
        "::json FROM (SELECT {sizes}) AS s(p),"
        " LATERAL (SELECT unnest({value}), generate_series(1, cardinality({value}))) AS e(v, n)) END"
    ).format(value=value, element=convert(element), sizes=_slice_sizes(value))


def _needs_conversion(shape: TypeShape) -> bool:
    if shape.element is not None:
        return _needs_conversion(shape.element)
    return (
        shape.json_cast
        or shape.name in ("bytea", "money", "bpchar", *_DATES)
        or any(_needs_conversion(member) for _, member in shape.members)
    )


def _array(value: sql.Composable, element: TypeShape) -> sql.Composable:
    match element.name:
        case "money":
            return sql.SQL("{}::numeric[]").format(value)
        case "bpchar":
            return sql.SQL("{}::text[]").format(value)
        case _:
            pass
    elements = json_elements(value, lambda item: json_value(item, element))
    if element.name not in _DATES:
        return elements
    return sql.SQL("CASE WHEN {} THEN {} ELSE to_json({}) END").format(
        sql.SQL(_ODD_DATES).format(value), elements, value
    )


def _composite(value: sql.Composable, members: tuple[tuple[str, TypeShape], ...]) -> sql.Composable:
    columns = [
        sql.SQL("{} AS {}").format(
            json_value(sql.SQL("({}).{}").format(value, sql.Identifier(name)), shape),
            sql.Identifier(name),
        )
        for name, shape in members
    ]
    # `IS NULL` is true of a row of NULLs as well.
    return sql.SQL(
        "CASE WHEN {} IS DISTINCT FROM NULL THEN (SELECT row_to_json(o.*) FROM (SELECT {}) AS o) END"
    ).format(value, sql.SQL(", ").join(columns))


def _slice_sizes(value: sql.Composable) -> sql.Composable:
    """Per dimension the number of elements in one slice: of the whole array, of a row, and so on."""
    sizes: list[sql.Composable] = []
    rows = sql.SQL("cardinality({})").format(value)
    for dimension in range(1, _MAX_DIMENSIONS + 1):
        length = sql.SQL("array_length({}, {})").format(value, sql.Literal(dimension))
        # `array_length` of a dimension that does not exist is NULL, and so is the sum.
        sizes.append(sql.SQL("{} + 0 * {}").format(rows, length))
        rows = sql.SQL("{} / {}").format(rows, length)
    return sql.SQL("array_remove(ARRAY[{}], NULL)").format(sql.SQL(", ").join(sizes))
