"""Where the words of a query occur in a hit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flusso_query.fields.handle import Handle
from flusso_query.options import given
from flusso_query.query import Query


@dataclass(frozen=True, slots=True)
class Highlight:
    """A field whose matching pieces a hit shows, and how."""

    field: Handle[Any]
    pre_tag: str | None = None
    """What stands before each word that matches; OpenSearch takes `<em>`."""
    post_tag: str | None = None
    fragment_size: int | None = None
    """The length of a piece, in characters; OpenSearch takes 100."""
    number_of_fragments: int | None = None
    """How many pieces; 0 gives the whole text."""
    require_field_match: bool | None = None
    """Whether only a query on this field counts, which is so without it."""
    no_match_size: int | None = None
    """How many characters to give where nothing matches."""
    order: Literal["score"] | None = None
    """Best pieces first; without it, as they stand."""
    type: Literal["unified", "plain", "fvh"] | None = None
    query: Query[Any] | None = None
    """What to show instead of the search's own query."""

    def options(self) -> dict[str, Any]:
        """As OpenSearch takes them."""
        return given(
            {
                "pre_tags": None if self.pre_tag is None else [self.pre_tag],
                "post_tags": None if self.post_tag is None else [self.post_tag],
                "fragment_size": self.fragment_size,
                "number_of_fragments": self.number_of_fragments,
                "require_field_match": self.require_field_match,
                "no_match_size": self.no_match_size,
                "order": self.order,
                "type": self.type,
                "highlight_query": None if self.query is None else self.query.dsl(),
            }
        )

    @staticmethod
    def together(fields: Sequence[Handle[Any] | Highlight]) -> dict[str, Any]:
        """The part of a search's body."""
        chosen = [item if isinstance(item, Highlight) else Highlight(item) for item in fields]
        return {"fields": {item.field.path: item.options() for item in chosen}}
