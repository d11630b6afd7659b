"""A level of the document tree -> the SQL of its JSON object, relations and aggregates included.  Pure.

Aggregates over the same rows share one scan: each is a column of a LATERAL sub-select, their own filters in
FILTER clauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from psycopg import sql

from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    ConstantField,
    Edge,
    Field,
    GeoField,
    JoinField,
    ObjectField,
    RawCondition,
)
from flusso_shared.postgres.catalog import Catalog, Table
from flusso_worker.sql.conditions import conditions, filtered, ordered
from flusso_worker.sql.hops import equal_columns
from flusso_worker.sql.identifiers import table
from flusso_worker.sql.json_values import json_value
from flusso_worker.sql.keys import id_text
from flusso_worker.sql.values import column_value, constant_value, geo_value, plain_value


@dataclass(frozen=True, slots=True)
class Row:
    """The SQL of a level: the JSON of its object, and the joins that must follow its FROM item."""

    json: sql.Composable
    joins: sql.Composable


_Columns = tuple[Table, str, Sequence[str]]
"""A table, its alias and some of its columns."""


@dataclass(slots=True)
class _Scan:
    """Aggregates of one level over the same rows."""

    alias: str
    columns: list[sql.Composable] = field(default_factory=list)


class Objects:
    """Composes the levels of one statement, with unique aliases."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._numbers = count(1)

    def level(self, fields: Sequence[Field], row: Table, alias: str) -> Row:
        """The object of `fields` over the row that `alias` names."""
        scans: dict[Edge, _Scan] = {}
        json = self._object(fields, row, alias, scans)
        joins = [self._lateral(edge, scan, row, alias) for edge, scan in scans.items()]
        return Row(json, sql.Composed(joins))

    def _object(
        self, fields: Sequence[Field], row: Table, alias: str, scans: dict[Edge, _Scan]
    ) -> sql.Composable:
        """`row_to_json` of a sub-select, which unlike json_build_object has no limit of 50 fields."""
        if not fields:
            return sql.SQL("'{}'::json")
        columns = [
            sql.SQL("{} AS {}").format(
                self._value(item, row, alias, scans), sql.Identifier(item.key)
            )
            for item in fields
        ]
        return sql.SQL("(SELECT row_to_json(o.*) FROM (SELECT {}) AS o)").format(
            sql.SQL(", ").join(columns)
        )

    def _value(
        self, item: Field, row: Table, alias: str, scans: dict[Edge, _Scan]
    ) -> sql.Composable:
        match item:
            case ColumnField():
                return column_value(item, row, alias)
            case GeoField():
                return geo_value(item, row, alias)
            case ConstantField():
                return constant_value(item)
            case ObjectField():
                return self._object(item.fields, row, alias, scans)
            case AggregateField():
                if item.op == "values":
                    return self._values(item, row, alias)
                return self._aggregate(item, scans)
            case JoinField():
                return self._many(item, row, alias) if item.many else self._one(item, row, alias)

    # --- relations ------------------------------------------------------------------------------

    def _one(self, item: JoinField, above: Table, parent: str) -> sql.Composable:
        alias = self._alias()
        inner = self.level(item.fields, self._table(item.edge), alias)
        return sql.SQL("(SELECT {} FROM {}{} WHERE {} ORDER BY {} LIMIT 1)").format(
            inner.json,
            self._from(item.edge, alias),
            inner.joins,
            self._related(item.edge, alias, above, parent),
            ordered(alias, item.edge.order_by, item.primary_key),
        )

    def _many(self, item: JoinField, above: Table, parent: str) -> sql.Composable:
        edge, alias = item.edge, self._alias()
        inner = self.level(item.fields, self._table(edge), alias)
        order = ordered(alias, edge.order_by, item.primary_key)
        source, related = self._from(edge, alias), self._related(edge, alias, above, parent)
        if edge.limit is not None:
            own = sql.Identifier(alias)
            limited = sql.SQL("(SELECT {}.* FROM {} WHERE {} ORDER BY {} LIMIT {}) AS {}")
            source = limited.format(own, source, related, order, sql.Literal(edge.limit), own)
            related = sql.SQL("true")
        return sql.SQL(
            "(SELECT coalesce(json_agg({} ORDER BY {}), '[]'::json) FROM {}{} WHERE {})"
        ).format(inner.json, order, source, inner.joins, related)

    def _from(self, edge: Edge, alias: str) -> sql.Composable:
        rows = filtered(self._table(edge), edge.filters)
        source = sql.SQL("{} AS {}").format(rows, sql.Identifier(alias))
        if edge.junction is None:
            return source
        through = table(edge.junction.table)
        equal = self._equal(
            (self._table(edge), alias, edge.child),
            (
                self._catalog.tables[edge.junction.table],
                f"{alias}_through",
                edge.junction.right,
            ),
        )
        return sql.SQL("{} AS {} JOIN {} ON {}").format(
            through, sql.Identifier(f"{alias}_through"), source, equal
        )

    def _related(self, edge: Edge, alias: str, above: Table, parent: str) -> sql.Composable:
        if edge.junction is None:
            near = (self._table(edge), alias, edge.child)
        else:
            junction = self._catalog.tables[edge.junction.table]
            near = (junction, f"{alias}_through", edge.junction.left)
        return self._equal(near, (above, parent, edge.parent))

    @staticmethod
    def _equal(mine: _Columns, other: _Columns) -> sql.Composable:
        """The condition that columns equal those of another table, by the `=` of the database and such that an index is used."""
        (row, alias, columns), (above, parent, keys) = mine, other
        return sql.SQL(" AND ").join(
            [
                equal_columns(
                    (sql.Identifier(alias, column), row.columns[column]),
                    (sql.Identifier(parent, key), above.columns[key]),
                )
                for column, key in zip(columns, keys, strict=True)
            ]
        )

    # --- aggregates -----------------------------------------------------------------------------

    def _values(self, item: AggregateField, above: Table, parent: str) -> sql.Composable:
        """The values of the column that are not NULL, in the declared order."""
        edge, alias = item.edge, self._alias()
        related = self._table(edge)
        value = plain_value(item.column or "", related, alias)
        if item.distinct and not edge.order_by:
            order = value
        else:
            order = ordered(alias, edge.order_by, related.primary_key)
        rows = sql.SQL(
            "SELECT {} AS v, row_number() OVER (ORDER BY {}) AS n FROM {} WHERE {} AND {} IS NOT NULL"
        ).format(
            value, order, self._from(edge, alias), self._related(edge, alias, above, parent), value
        )
        if item.distinct:
            rows = sql.SQL("SELECT v, min(n) AS n FROM ({}) AS all_rows GROUP BY v").format(rows)
        if edge.limit is not None:
            limit = sql.Literal(edge.limit)
            rows = sql.SQL("SELECT v, n FROM ({}) AS ordered ORDER BY n LIMIT {}").format(
                rows, limit
            )
        one = json_value(sql.SQL("found.v"), related.columns[item.column or ""].shape)
        return sql.SQL(
            "(SELECT coalesce(json_agg({} ORDER BY n), '[]'::json) FROM ({}) AS found)"
        ).format(one, rows)

    def _aggregate(self, item: AggregateField, scans: dict[Edge, _Scan]) -> sql.Composable:
        raw = any(isinstance(term, RawCondition) for term in item.edge.filters)
        # A raw filter's names must mean the related table only, so it keeps its own FROM item.
        rows = item.edge if raw else replace(item.edge, filters=())
        scan = scans.setdefault(rows, _Scan(self._alias()))
        name = f"a{len(scan.columns) + 1}"
        alias = f"{scan.alias}_row"
        value = self._function(item, alias)
        if item.edge.filters and not raw:
            where = conditions(item.edge.filters, alias)
            value = sql.SQL("{} FILTER (WHERE {})").format(value, where)
        if item.op == "ids":
            value = sql.SQL("coalesce({}, '[]'::json)").format(value)
        scan.columns.append(sql.SQL("{} AS {}").format(value, sql.Identifier(name)))
        found = sql.SQL("{}.{}").format(sql.Identifier(scan.alias), sql.Identifier(name))
        if item.op not in ("min", "max"):
            return found
        return json_value(found, self._table(item.edge).columns[item.column or ""].shape)

    def _function(self, item: AggregateField, alias: str) -> sql.Composable:
        if item.op == "count":
            return sql.SQL("count(*)")
        related = self._table(item.edge)
        if item.op == "ids":
            key = related.primary_key
            parts = [plain_value(column, related, alias) for column in key]
            order = sql.SQL(", ").join(parts)
            if len(key) == 1:
                one = json_value(parts[0], related.columns[key[0]].shape)
            else:
                texts = [id_text(column, related, alias) for column in key]
                one = sql.SQL(" || ':' || ").join(texts)
            return sql.SQL("json_agg({} ORDER BY {})").format(one, order)
        function = sql.SQL(item.op)
        return sql.SQL("{}({})").format(function, plain_value(item.column or "", related, alias))

    def _lateral(self, edge: Edge, scan: _Scan, above: Table, parent: str) -> sql.Composable:
        row = f"{scan.alias}_row"
        return sql.SQL(" CROSS JOIN LATERAL (SELECT {} FROM {} WHERE {}) AS {}").format(
            sql.SQL(", ").join(scan.columns),
            self._from(edge, row),
            self._related(edge, row, above, parent),
            sql.Identifier(scan.alias),
        )

    def _table(self, edge: Edge) -> Table:
        return self._catalog.tables[edge.table]

    def _alias(self) -> str:
        return f"r{next(self._numbers)}"
