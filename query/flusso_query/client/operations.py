"""The requests of each call, without a socket: both clients run these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flusso_query.aggregations.composite import Composite
from flusso_query.client.transport import Operation, Request, path, reason_of
from flusso_query.document import Document
from flusso_query.errors import MsearchError, RequestError
from flusso_query.projection import source_includes
from flusso_query.search.builder import Search
from flusso_query.search.decode import Reader, require_whole
from flusso_query.search.result import Result

D = TypeVar("D")
T = TypeVar("T", bound=Document)
Json = dict[str, Any]

_IN_PATHS = (".", "..")
"""Ids that mean something else in a path, however they are spelled."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a client was made with."""

    prefix: str = ""
    inner_window: int = 100


def address(types: Sequence[type[Document]], options: Options) -> str:
    """What a search is sent to: an alias for each type."""
    return ",".join(type_.__binding__.alias(options.prefix) for type_ in types)


def get(type_: type[T], id_: str, options: Options) -> Operation[T | None]:
    """One document by its id."""
    if id_ in _IN_PATHS:
        [found] = yield from mget(type_, [id_], options)
        return found
    alias = address([type_], options)
    params: Json = {} if _whole(type_) else {"_source_includes": ",".join(source_includes(type_))}
    request = Request(
        f"get of {alias}", "GET", path(alias, "_doc", id_), None, params, (HTTPStatus.NOT_FOUND,)
    )
    reply = yield request
    if not reply.get("found"):
        return None
    return Reader(Search(type_), options.prefix).document(reply["_index"], id_, reply["_source"])  # type: ignore[no-any-return]


def mget(type_: type[T], ids: Sequence[str], options: Options) -> Operation[list[T | None]]:
    """Documents by their ids, in order."""
    if not ids:
        return []
    alias = address([type_], options)
    source: Json = {} if _whole(type_) else {"_source": source_includes(type_)}
    body = {"docs": [{"_id": id_, **source} for id_ in ids]}
    request = Request(f"mget of {alias}", "POST", path(alias, "_mget"), body)
    reply = yield request
    reader = Reader(Search(type_), options.prefix)
    documents: list[T | None] = []
    for item in reply["docs"]:
        if "error" in item:
            reason = reason_of(item)
            raise RequestError(request.what, HTTPStatus.INTERNAL_SERVER_ERROR, reason, body, reply)
        found = item["found"]
        documents.append(
            reader.document(item["_index"], item["_id"], item["_source"]) if found else None
        )
    return documents


def search(searched: Search[D], options: Options) -> Operation[Result[D]]:
    """Hits."""
    alias = address(searched.types, options)
    reply = yield Request(
        f"search of {alias}",
        "POST",
        path(alias, "_search"),
        searched.body(options.inner_window),
        searched.request_params,
    )
    return Reader(searched, options.prefix).result(reply)


def ids(searched: Search[Any], options: Options) -> Operation[list[str]]:
    """Ids of hits."""
    if len(searched.types) > 1:
        raise TypeError("documents of several indexes may have the same id: use `search`")
    alias = address(searched.types, options)
    body = searched.ids_body()
    request = Request(
        f"search of {alias}", "POST", path(alias, "_search"), body, searched.request_params
    )
    reply = yield request
    require_whole(request.what, reply, body)
    return [hit["_id"] for hit in reply["hits"]["hits"]]


def count(searched: Search[Any], options: Options) -> Operation[int]:
    """How many documents match."""
    alias = address(searched.types, options)
    body = searched.count_body()
    request = Request(
        f"count of {alias}", "POST", path(alias, "_count"), body, searched.request_params
    )
    reply = yield request
    require_whole(request.what, reply, body)
    found: int = reply["count"]
    return found


def msearch(searches: Sequence[Search[Any]], options: Options) -> Operation[list[Result[Any]]]:
    """Several searches in one request."""
    if not searches:
        return []
    lines = list(_lines(searches, options))
    body = "".join(f"{json.dumps(line)}\n" for line in lines)
    reply = yield Request("msearch", "POST", "/_msearch", body, lines=True)
    responses = reply["responses"]
    results: list[Result[Any]] = []
    for slot, searched in enumerate(searches):
        asked = lines[2 * slot + 1]
        if slot >= len(responses):
            raise MsearchError(slot, 0, "there is no answer to it", asked, reply)
        found = responses[slot]
        if "error" in found:
            status = found.get("status", 0)
            raise MsearchError(slot, status, reason_of(found), asked, found)
        results.append(Reader(searched, options.prefix).result(found))
    return results


def refresh(types: Iterable[type[Document]], options: Options) -> Operation[None]:
    """Make what is written visible to searches."""
    alias = address(list(types), options)
    yield Request(f"refresh of {alias}", "POST", path(alias, "_refresh"))


def page_of(
    searched: Search[Any], groups: Composite[Any], options: Options
) -> Operation[tuple[Any, Mapping[str, Any] | None]]:
    """One page of groups, and the key after which the next begins."""
    asked = searched.untyped().size(0).aggregate(groups)
    result = yield from search(asked, options)
    page = result[groups]
    return page.buckets, page.after if page.buckets else None


def _lines(searches: Sequence[Search[Any]], options: Options) -> Iterator[Json]:
    for searched in searches:
        index = [type_.__binding__.alias(options.prefix) for type_ in searched.types]
        yield {"index": index, **searched.request_params}
        yield searched.body(options.inner_window)


def _whole(type_: type[Document]) -> bool:
    return type_.__binding__.complete
