"""Handles of fields whose values have an order: numbers and dates; and of booleans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from flusso_query.fields.handle import Handle
from flusso_query.fields.sortable import Sortable
from flusso_query.options import Relation
from flusso_query.query import Query
from flusso_query.scope import Place
from flusso_query.values import number, spelled

S = TypeVar("S")
N = TypeVar("N")
D = TypeVar("D")


class Bool(Sortable[S]):
    """A field that is true or false."""

    def eq(self, value: bool) -> Query[S]:
        """Matches where the value is this one."""
        return self._clause("term", "value", spelled(value))


class Number(Sortable[S], Generic[S, N]):
    """A numeric field, or a range of numbers, which a value matches that it contains.  `N` is the type of its values."""

    def __init__(self, place: Place, path: str, type_: str) -> None:
        """`type_` is OpenSearch's; values that it cannot hold raise `ValueRangeError`."""
        super().__init__(place, path)
        self.type = type_

    def eq(self, value: N) -> Query[S]:
        """Matches where a value is this one."""
        return self._clause("term", "value", self._sent(value))

    def any_of(self, values: Iterable[N]) -> Query[S]:
        """Matches where a value is one of these; without values, nowhere."""
        return self._flat("terms", {self.path: [self._sent(value) for value in values]})

    def lt(self, value: N, *, relation: Relation | None = None) -> Query[S]:
        """Matches where a value is less."""
        return self._range(relation, lt=value)

    def lte(self, value: N, *, relation: Relation | None = None) -> Query[S]:
        """Matches where a value is less or equal."""
        return self._range(relation, lte=value)

    def gt(self, value: N, *, relation: Relation | None = None) -> Query[S]:
        """Matches where a value is greater."""
        return self._range(relation, gt=value)

    def gte(self, value: N, *, relation: Relation | None = None) -> Query[S]:
        """Matches where a value is greater or equal."""
        return self._range(relation, gte=value)

    def between(self, least: N, greatest: N, *, relation: Relation | None = None) -> Query[S]:
        """Matches where a value is between these two, which belong to it.

        `relation` is for fields that hold ranges: whether they overlap with this one, contain it, or are within it.
        """
        return self._range(relation, gte=least, lte=greatest)

    def _range(self, relation: Relation | None, **bounds: N) -> Query[S]:
        sent = {name: self._sent(value) for name, value in bounds.items()}
        return self._clause("range", "", sent, relation=relation)

    def _sent(self, value: N) -> Any:
        return number(value, self.type, self.path)


class Date(Sortable[S], Generic[S, D]):
    """A date or a point in time, or a range of them.  `D` is `date` or `datetime`.

    Values may also be text that OpenSearch reads: ISO 8601, or date math such as `"now-7d/d"`.
    """

    def eq(self, value: D | str) -> Query[S]:
        """Matches where a value is this one: OpenSearch compares milliseconds."""
        return self._clause("term", "value", spelled(value))

    def lt(
        self,
        value: D | str,
        *,
        format: str | None = None,
        time_zone: str | None = None,
        relation: Relation | None = None,
    ) -> Query[S]:
        """Matches where a value is earlier."""
        return self._range({"lt": value}, format, time_zone, relation)

    def lte(
        self,
        value: D | str,
        *,
        format: str | None = None,
        time_zone: str | None = None,
        relation: Relation | None = None,
    ) -> Query[S]:
        """Matches where a value is earlier or equal."""
        return self._range({"lte": value}, format, time_zone, relation)

    def gt(
        self,
        value: D | str,
        *,
        format: str | None = None,
        time_zone: str | None = None,
        relation: Relation | None = None,
    ) -> Query[S]:
        """Matches where a value is later."""
        return self._range({"gt": value}, format, time_zone, relation)

    def gte(
        self,
        value: D | str,
        *,
        format: str | None = None,
        time_zone: str | None = None,
        relation: Relation | None = None,
    ) -> Query[S]:
        """Matches where a value is later or equal."""
        return self._range({"gte": value}, format, time_zone, relation)

    def between(
        self,
        earliest: D | str,
        latest: D | str,
        *,
        format: str | None = None,
        time_zone: str | None = None,
        relation: Relation | None = None,
    ) -> Query[S]:
        """Matches where a value is between these two, which belong to it.

        `format` reads values given as text, `time_zone` applies to values without one, and `relation` is for fields that hold ranges.
        """
        return self._range({"gte": earliest, "lte": latest}, format, time_zone, relation)

    def _range(
        self,
        bounds: dict[str, D | str],
        format: str | None,
        time_zone: str | None,
        relation: Relation | None,
    ) -> Query[S]:
        sent = {name: spelled(value) for name, value in bounds.items()}
        return self._clause(
            "range", "", sent, format=format, time_zone=time_zone, relation=relation
        )


class Binary(Handle[S]):
    """A field of bytes: it is stored, not searched."""


class Json(Handle[S]):
    """A field of a type that has no handle of its own."""

    def raw(self, kind: str, body: Any) -> Query[S]:
        """`{kind: {field: body}}`."""
        return self._clause(kind, "value", body)
