"""Handles of maps: objects whose keys are data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from flusso_query.fields.handle import Handle
from flusso_query.fields.ordered import Date, Number
from flusso_query.fields.text import Keyword, Text
from flusso_query.options import Direction, Fuzziness, Operator
from flusso_query.query import Query
from flusso_query.scope import Place
from flusso_query.sorting import Sort

S = TypeVar("S")
N = TypeVar("N")


class Map(Handle[S]):
    """An object whose keys are data: languages, currencies, attributes."""

    def has_key(self, key: str) -> Query[S]:
        """Matches where the map has the key, with a value that is not null."""
        return self._flat("exists", {"field": self._at(key)})

    def _at(self, key: str) -> str:
        if not key or key.strip(".") != key:
            raise ValueError(f"`{key}` cannot be a key of `{self.path}`")
        return f"{self.path}.{key}"

    def _order(self, keys: tuple[str, ...], direction: Direction, type_: str, value: str) -> Sort:
        """By the first of these keys that a document has; documents with none of them come last."""
        first = direction == "asc"
        missing = (
            ("\U0010ffff" if first else "") if type_ == "string" else (1e308 if first else -1e308)
        )
        fields = [self._at(key) + (".keyword" if type_ == "string" else "") for key in keys]
        # A key that no document has is not in the mapping.
        source = (
            "for (f in params.fields) { if (doc.containsKey(f) && doc[f].size() > 0) { return "
            f"{value}; }} }} return params.missing;"
        )
        script = {"source": source, "params": {"fields": fields, "missing": missing}}
        return Sort("_script", direction, {"type": type_, "script": script}, self.place)


class KeywordMap(Map[S]):
    """A map whose values are keywords."""

    def key(self, key: str) -> Keyword[S, str]:
        """The value under a key, of up to 256 characters."""
        # OpenSearch maps each key as text, with the exact value beside it.
        return Keyword(self.place, f"{self._at(key)}.keyword")

    def sorted_by(self, *keys: str, direction: Direction = "asc") -> Sort:
        """By the first of these keys that a document has; documents with none of them come last."""
        return self._order(keys, direction, "string", "doc[f].value")


class MapText(Text[S]):
    """A text under a key of a map.  OpenSearch gives it one subfield, `keyword`."""

    @property
    def keyword(self) -> Keyword[S, str]:
        return Keyword(self.place, f"{self.path}.keyword")

    @property
    def sort_path(self) -> str:
        return self.keyword.path


class TextMap(Map[S]):
    """A map whose values are text."""

    def key(self, key: str) -> Text[S]:
        """The value under a key."""
        return MapText(self.place, self._at(key))

    def sorted_by(self, *keys: str, direction: Direction = "asc") -> Sort:
        """By the first of these keys that a document has; documents with none of them come last."""
        return self._order(keys, direction, "string", "doc[f].value")

    def search(
        self,
        text: str,
        *,
        prefer: Mapping[str, float] | None = None,
        only_preferred: bool = False,
        operator: Operator | None = None,
        fuzziness: Fuzziness | None = None,
        tie_breaker: float | None = None,
    ) -> Query[S]:
        """Matches where words of the text occur under any key.

        `prefer` has weights of keys; with `only_preferred` the others are not searched.
        """
        fields = [f"{self._at(key)}^{weight:g}" for key, weight in (prefer or {}).items()]
        if not only_preferred:
            fields.append(f"{self.path}.*")
        body: dict[str, Any] = {"query": text, "fields": fields, "type": "best_fields"}
        return self._flat(
            "multi_match", body, operator=operator, fuzziness=fuzziness, tie_breaker=tie_breaker
        )


class NumberMap(Map[S], Generic[S, N]):
    """A map whose values are numbers."""

    def __init__(self, place: Place, path: str, type_: str) -> None:
        super().__init__(place, path)
        self.type = type_

    def key(self, key: str) -> Number[S, N]:
        """The value under a key."""
        return Number(self.place, self._at(key), self.type)

    def sorted_by(self, *keys: str, direction: Direction = "asc") -> Sort:
        """By the first of these keys that a document has; documents with none of them come last."""
        return self._order(keys, direction, "number", "doc[f].value")


class DateMap(Map[S]):
    """A map whose values are points in time."""

    def key(self, key: str) -> Date[S, datetime]:
        """The value under a key."""
        return Date(self.place, self._at(key))

    def sorted_by(self, *keys: str, direction: Direction = "asc") -> Sort:
        """By the first of these keys that a document has; documents with none of them come last."""
        return self._order(keys, direction, "number", "doc[f].value.toInstant().toEpochMilli()")
