"""Replies of OpenSearch -> results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from flusso_query.document import Document
from flusso_query.errors import DecodeError, PartialResultError, UnexpectedIndexError
from flusso_query.search import instances
from flusso_query.search.builder import Search
from flusso_query.search.inner_hits import Tree, shape
from flusso_query.search.result import Hit, Result, Shards
from flusso_query.serializers import optional_float

Json = dict[str, Any]


class Reader:
    """Makes documents of hits, for one search.  A hit's concrete index says which model reads it."""

    def __init__(self, search: Search[Any], prefix: str) -> None:
        self._types = search.types
        self._typed = search.typed
        self._prefix = prefix
        self._projections: Sequence[Tree] = search.projections
        self._known: dict[str, type[Document]] = {}

    def result(self, reply: Mapping[str, Any]) -> Result[Any]:
        """A whole reply."""
        found = reply["hits"]
        total = found.get("total")
        return Result(
            hits=self.hits(found["hits"]),
            total=None if total is None else total["value"],
            total_is_exact=total is not None and total["relation"] == "eq",
            max_score=optional_float(found.get("max_score")),
            took=reply.get("took", 0),
            timed_out=reply.get("timed_out", False),
            terminated_early=reply.get("terminated_early", False),
            shards=Shards.of(reply),
            aggregations=reply.get("aggregations", {}),
            suggestions=reply.get("suggest", {}),
        )

    def hits(self, hits: Sequence[Json]) -> list[Hit[Any]]:
        """Its hits, from which the documents are taken."""
        if self._typed and len(self._types) == 1 and not self._projections:
            return self._of_one_model(hits, self._types[0])
        return [self._hit(hit) for hit in hits]

    def _of_one_model(self, hits: Sequence[Json], model: type[Document]) -> list[Hit[Any]]:
        """The usual search, without a call for each hit.

        The JSON of a document is freed when its model is made: the garbage collector then runs less often, and memory is used again while
        it is in the cache.
        """
        reader = instances.reader(model)
        found: list[Hit[Any]] = []
        add = found.append
        for hit in hits:
            id_, index, score = hit["_id"], hit["_index"], hit["_score"]
            source = hit.pop("_source", {})
            try:
                document = reader(source)
            except ValidationError:
                document = self.document(index, id_, source)
            add(Hit(id_, index, score if score is None else float(score), document, hit))
        return found

    def document(self, index: str, id_: str, source: Json) -> Any:
        """One document.  Raises `DecodeError` when its model does not accept it."""
        if not self._typed:
            return source
        model = self._known.get(index) or self._model(index)
        try:
            return instances.read(model, source)
        except ValidationError as error:
            raise _refused(index, id_, model, error) from error

    def _hit(self, hit: Json) -> Hit[Any]:
        source = hit.pop("_source", {})
        id_, index = hit["_id"], hit["_index"]
        totals = {}
        if self._projections:
            totals = shape(source, self._projections, hit.get("inner_hits", {}), id_)
        score = optional_float(hit["_score"])
        return Hit(id_, index, score, self.document(index, id_, source), hit, totals)

    def _model(self, index: str) -> type[Document]:
        if len(self._types) == 1:
            return self._types[0]
        for type_ in self._types:
            binding = type_.__binding__
            hash_ = re.escape(binding.hash) if binding.hash else "[0-9a-f]{8}"
            name = re.escape(f"{self._prefix}{binding.index}")
            if re.fullmatch(rf"{name}_{hash_}_[0-9]+", index):
                self._known[index] = type_
                return type_
        raise UnexpectedIndexError(
            index, [type_.__binding__.alias(self._prefix) for type_ in self._types]
        )


def require_whole(what: str, reply: Mapping[str, Any], body: Any) -> None:
    """Raise `PartialResultError` unless all shards answered in time."""
    shards = Shards.of(reply)
    timed_out = reply.get("timed_out", False)
    if shards.failed or timed_out:
        raise PartialResultError(what, shards.failures, timed_out, body)


def _refused(index: str, id_: str, model: type[Document], error: ValidationError) -> DecodeError:
    problems = [
        f"`{'.'.join(str(step) for step in item['loc'])}`: {item['msg']}"
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return DecodeError(index, id_, model.__name__, problems)
