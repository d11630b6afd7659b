"""What all handles of fields have in common."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from flusso_query.options import given
from flusso_query.query import FieldClause, FlatClause, Query
from flusso_query.scope import Place, Reach

S = TypeVar("S")


class Handle(Generic[S]):
    """A field of an index, on the level `S`.  Immutable; makes queries, sorts and aggregations."""

    def __init__(self, place: Place, path: str) -> None:
        self.place = place
        self.path = path
        """The dotted path of the field in the document, nested arrays included."""

    def exists(self) -> Query[S]:
        """Matches where the field has a value that is not null."""
        return self._flat("exists", {"field": self.path})

    def _flat(self, kind: str, body: dict[str, Any], **options: Any) -> Query[S]:
        return Query(FlatClause(kind, {**body, **given(options)}), Reach.of(self.place))

    def _clause(self, kind: str, key: str, value: Any, **options: Any) -> Query[S]:
        return Query(FieldClause(kind, self.path, key, value, given(options)), Reach.of(self.place))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place.index}: {self.path})"
