"""A query, the request it makes, and which documents it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flusso_query import Query

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One query of the table."""

    name: str
    query: Query[Any]
    dsl: Json
    matches: Callable[[Json], bool] | None
    """Whether a document, as a worker writes it, is to be found; None where a server of the tests has no such query."""
    newest_only: bool = False
    """Whether OpenSearch 2.19 does not know it."""


def words(text: str | None) -> list[str]:
    """As OpenSearch splits texts in ASCII."""
    return [] if text is None else text.lower().replace("-", " ").split()


def phrase(text: str | None, wanted: str) -> bool:
    """Whether the words of `wanted` follow each other."""
    have, want = words(text), wanted.split()
    return any(have[place : place + len(want)] == want for place in range(len(have)))


def parts(document: Json, **wanted: Any) -> Iterator[Json]:
    """The elements of `parts` with these values."""
    for part in document["parts"]:
        if all(part[key] == value for key, value in wanted.items()):
            yield part
