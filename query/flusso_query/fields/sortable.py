"""Handles of fields that can be sorted by."""

from __future__ import annotations

from typing import TypeVar

from flusso_query.fields.handle import Handle
from flusso_query.options import Direction, NumericType, SortMode, given
from flusso_query.query import Query
from flusso_query.scope import Reach
from flusso_query.sorting import Sort

S = TypeVar("S")
Missing = str | int | float | bool


class Sortable(Handle[S]):
    """A field with an order."""

    @property
    def sort_path(self) -> str:
        """The field that has the order: this one, or a subfield."""
        return self.path

    def asc(
        self,
        *,
        missing: Missing | None = None,
        mode: SortMode | None = None,
        where: Query[S] | None = None,
        unmapped_type: str | None = None,
        numeric_type: NumericType | None = None,
        format: str | None = None,
    ) -> Sort:
        """Small values first; see `order`."""
        return self.order(
            "asc",
            missing=missing,
            mode=mode,
            where=where,
            unmapped_type=unmapped_type,
            numeric_type=numeric_type,
            format=format,
        )

    def desc(
        self,
        *,
        missing: Missing | None = None,
        mode: SortMode | None = None,
        where: Query[S] | None = None,
        unmapped_type: str | None = None,
        numeric_type: NumericType | None = None,
        format: str | None = None,
    ) -> Sort:
        """Large values first; see `order`."""
        return self.order(
            "desc",
            missing=missing,
            mode=mode,
            where=where,
            unmapped_type=unmapped_type,
            numeric_type=numeric_type,
            format=format,
        )

    def order(
        self,
        direction: Direction,
        *,
        missing: Missing | None = None,
        mode: SortMode | None = None,
        where: Query[S] | None = None,
        unmapped_type: str | None = None,
        numeric_type: NumericType | None = None,
        format: str | None = None,
    ) -> Sort:
        """A key of an order.

        `missing` is `"_first"`, `"_last"` (OpenSearch's default) or a value, and says where documents without one stand.  Of
        several values `mode` takes one.  In a nested array that is the least for `asc` and the greatest for `desc` unless `mode` is
        given, and only elements that match `where` count.  `unmapped_type` is for a combined search where one index has no such field.
        """
        if where is not None:
            where.reach.joined(Reach.of(self.place))
        options = given(
            {
                "missing": missing,
                "mode": mode,
                "unmapped_type": unmapped_type,
                "numeric_type": numeric_type,
                "format": format,
            }
        )
        return Sort(self.sort_path, direction, options, self.place, where)
