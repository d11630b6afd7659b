"""Words in several fields, and the query languages of OpenSearch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flusso_query.fields.handle import Handle
from flusso_query.fields.text import Weighted
from flusso_query.options import Fuzziness, MinimumMatch, MultiMatchType, Operator, ZeroTerms, given
from flusso_query.query import FlatClause, Query
from flusso_query.scope import Reach, Root

S = TypeVar("S")
Json = dict[str, Any]


def multi_match(
    text: str,
    fields: Sequence[Handle[S] | Weighted[S]],
    *,
    type: MultiMatchType | None = None,
    operator: Operator | None = None,
    minimum_should_match: MinimumMatch | None = None,
    fuzziness: Fuzziness | None = None,
    prefix_length: int | None = None,
    max_expansions: int | None = None,
    tie_breaker: float | None = None,
    slop: int | None = None,
    analyzer: str | None = None,
    zero_terms_query: ZeroTerms | None = None,
    lenient: bool | None = None,
) -> Query[S]:
    """Matches where words of the text occur in one of the fields; `field.boosted(3)` counts three times.

    Fields of one level; at the root also of several indexes.
    """
    options = {
        "type": type,
        "operator": operator,
        "minimum_should_match": minimum_should_match,
        "fuzziness": fuzziness,
        "prefix_length": prefix_length,
        "max_expansions": max_expansions,
        "tie_breaker": tie_breaker,
        "slop": slop,
        "analyzer": analyzer,
        "zero_terms_query": zero_terms_query,
        "lenient": lenient,
    }
    return _of_fields("multi_match", text, fields, options)


def combined_fields(
    text: str,
    fields: Sequence[Handle[S] | Weighted[S]],
    *,
    operator: Operator | None = None,
    minimum_should_match: MinimumMatch | None = None,
) -> Query[S]:
    """Matches where words of the text occur in the fields, taken as if they were one.  Needs OpenSearch 3.2 or newer."""
    options = {"operator": operator, "minimum_should_match": minimum_should_match}
    return _of_fields("combined_fields", text, fields, options)


def query_string(
    text: str,
    fields: Sequence[Handle[S] | Weighted[S]],
    *,
    default_operator: Operator | None = None,
    analyze_wildcard: bool | None = None,
    fuzziness: Fuzziness | None = None,
    lenient: bool | None = None,
    minimum_should_match: MinimumMatch | None = None,
    tie_breaker: float | None = None,
) -> Query[S]:
    """Matches what the text says in Lucene's language.  A text that is not in it makes the search fail: for users, see the other."""
    options = {
        "default_operator": default_operator,
        "analyze_wildcard": analyze_wildcard,
        "fuzziness": fuzziness,
        "lenient": lenient,
        "minimum_should_match": minimum_should_match,
        "tie_breaker": tie_breaker,
    }
    return _of_fields("query_string", text, fields, options)


def simple_query_string(
    text: str,
    fields: Sequence[Handle[S] | Weighted[S]],
    *,
    default_operator: Operator | None = None,
    flags: str | None = None,
    analyze_wildcard: bool | None = None,
    lenient: bool | None = None,
    minimum_should_match: MinimumMatch | None = None,
) -> Query[S]:
    """Matches what the text says in a small language for users: `+`, `|`, `-`, `"..."`, `*`.  It takes any text."""
    options = {
        "default_operator": default_operator,
        "flags": flags,
        "analyze_wildcard": analyze_wildcard,
        "lenient": lenient,
        "minimum_should_match": minimum_should_match,
    }
    return _of_fields("simple_query_string", text, fields, options)


def more_like_this(
    fields: Sequence[Handle[S] | Weighted[S]],
    like: str | Sequence[str | Mapping[str, Any]],
    *,
    min_term_freq: int | None = None,
    min_doc_freq: int | None = None,
    max_query_terms: int | None = None,
    minimum_should_match: MinimumMatch | None = None,
) -> Query[S]:
    """Matches documents with words that are typical of `like`: texts, or `{"_index": ..., "_id": ...}` of documents."""
    options = {
        "like": like if isinstance(like, str) else list(like),
        "min_term_freq": min_term_freq,
        "min_doc_freq": min_doc_freq,
        "max_query_terms": max_query_terms,
        "minimum_should_match": minimum_should_match,
    }
    body: Json = {"fields": [field.path for field in fields], **given(options)}
    return Query(FlatClause("more_like_this", body), _reach(fields))


def ids(values: Iterable[str]) -> Query[Root]:
    """Matches the documents with these ids."""
    return Query(FlatClause("ids", {"values": list(values)}), Reach(()))


def _of_fields(
    kind: str,
    text: str,
    fields: Sequence[Handle[S] | Weighted[S]],
    options: Mapping[str, Any],
) -> Query[S]:
    body: Json = {"query": text, "fields": [field.path for field in fields], **given(options)}
    return Query(FlatClause(kind, body), _reach(fields))


def _reach(fields: Sequence[Handle[Any] | Weighted[Any]]) -> Reach:
    if not fields:
        raise ValueError("at least one field is to be searched")
    reach = Reach()
    for field in fields:
        reach = reach.joined(Reach.of(field.place))
    return reach
