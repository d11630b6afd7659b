"""All combinations of several values, page by page: for more groups than one reply can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from flusso_query.aggregations.aggregation import Aggregation, key_reader, moment
from flusso_query.aggregations.buckets import Bucket, Buckets
from flusso_query.fields.handle import Handle
from flusso_query.options import Direction, given
from flusso_query.scope import Reach

S = TypeVar("S")
Json = dict[str, Any]
_INTERVALS = ("histogram", "date_histogram")


@dataclass(frozen=True, slots=True)
class Page(Buckets[dict[str, Any]]):
    """Some of the groups."""

    after: Mapping[str, Any] | None = None
    """The key of the last, in OpenSearch's form; None when there are no more."""


@dataclass(frozen=True, slots=True)
class Composite(Aggregation[S, Page]):
    """One page of groups.  `Client.buckets` goes through all pages."""

    def after(self, key: Mapping[str, Any]) -> Composite[S]:
        """The page after this key."""
        return replace(self, body={**self.body, "after": dict(key)})


def composite(
    *subs: Aggregation[S, Any],
    size: int = 1000,
    direction: Direction | None = None,
    missing_bucket: bool | None = None,
    **sources: Handle[S] | Aggregation[S, Buckets[Any]],
) -> Composite[S]:
    """One group for each combination of values that occurs; its key has one value for each source.

    `composite(tier=u.account.tier, month=date_histogram(...))`: a source is a field, or a `histogram` or `date_histogram` of one.  With `missing_bucket` documents without a value count too, as None.
    """
    reach, bodies, readers = Reach(), [], {}
    options = given({"order": direction, "missing_bucket": missing_bucket})
    for name, source in sources.items():
        kind, body, its_reach = _source(source)
        reach = reach.joined(its_reach)
        bodies.append({name: {kind: {**body, **options}}})
        readers[name] = _reader(source)
    for item in subs:
        reach = reach.joined(item.reach)

    def page(found: Json) -> Page:
        buckets = [
            Bucket(
                item["doc_count"],
                item,
                {
                    name: None if value is None else readers[name](value)
                    for name, value in item["key"].items()
                },
            )
            for item in found["buckets"]
        ]
        return Page(buckets, after=found.get("after_key"))

    name = f"composite {' '.join(sources)}"
    return Composite(name, "composite", {"size": size, "sources": bodies}, reach, page, tuple(subs))


def _source(source: Handle[Any] | Aggregation[Any, Any]) -> tuple[str, Mapping[str, Any], Reach]:
    if isinstance(source, Handle):
        return "terms", {"field": source.path}, Reach.of(source.place)
    if source.kind not in _INTERVALS or source.subs:
        raise TypeError(
            f"a source of `composite` is a field, a `histogram` or a `date_histogram`, not {source.name}"
        )
    return source.kind, source.body, source.reach


def _reader(source: Handle[Any] | Aggregation[Any, Any]) -> Any:
    if isinstance(source, Handle):
        return key_reader(source)
    return moment if source.kind == "date_histogram" else float
