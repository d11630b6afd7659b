"""Compares indexes with the oracle's documents: every document, every field, with readable differences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

import httpx

from support.expected.oracle import AnyOrder, Average, Documents

_PAGE = 1000
_CLOSE = Fraction(1, 10**14)


# --- reading --------------------------------------------------------------------------------------


def read_index(client: httpx.Client, index: str) -> Documents | None:
    """Every document behind the alias `index` after a refresh; None when there is no such alias yet.

    Numbers with a fraction are read as `Decimal`, so nothing is lost on the way.
    """
    refreshed = client.post(f"/{index}/_refresh")
    if refreshed.status_code == httpx.codes.NOT_FOUND:
        return None
    refreshed.raise_for_status()
    body = {"size": _PAGE, "sort": ["_doc"], "query": {"match_all": {}}}
    page = _json(client.post(f"/{index}/_search", params={"scroll": "1m"}, json=body))
    documents: Documents = {}
    while page["hits"]["hits"]:
        for hit in page["hits"]["hits"]:
            assert hit["_id"] not in documents, f"{index}/{hit['_id']} was read twice"
            documents[hit["_id"]] = hit["_source"]
        scroll = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
        page = _json(client.post("/_search/scroll", json=scroll))
    client.request("DELETE", "/_search/scroll", json={"scroll_id": page["_scroll_id"]})
    return documents


def _json(response: httpx.Response) -> Any:
    assert response.status_code == httpx.codes.OK, f"{response.request.url}: {response.text}"
    return json.loads(response.text, parse_float=Decimal)


def generations(client: httpx.Client, names: Iterable[str]) -> dict[str, str] | None:
    """The physical index behind each alias; None while one of them does not exist."""
    found: dict[str, str] = {}
    for name in names:
        answer = client.get(f"/_alias/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        (found[name],) = _json(answer)
    return found


# --- comparing ------------------------------------------------------------------------------------


def differences(
    expected: Mapping[str, Documents], actual: Mapping[str, Documents | None]
) -> list[str]:
    """One line per document that is missing or too many, and per value that is different."""
    found: list[str] = []
    for index, documents in sorted(expected.items()):
        have = actual.get(index)
        if have is None:
            found.append(f"{index}: there is no such index or alias")
            continue
        found += [f"{index}/{key}: missing" for key in _sorted(documents.keys() - have.keys())]
        found += [f"{index}/{key}: too many" for key in _sorted(have.keys() - documents.keys())]
        for key in _sorted(documents.keys() & have.keys()):
            found += compare(documents[key], have[key], f"{index}/{key}")
    return found


def report(found: list[str], limit: int = 40) -> str:
    """The differences as text, cut to `limit` lines."""
    lines = list(islice(found, limit))
    if len(found) > limit:
        lines.append(f"... and {len(found) - limit} more")
    return "\n".join([f"{len(found)} differences:", *lines])


def compare(expected: Any, actual: Any, path: str) -> Iterator[str]:
    """The differences between one expected value and what stands there."""
    if isinstance(expected, dict):
        yield from _compare_objects(expected, actual, path)
    elif isinstance(expected, list):
        yield from _compare_lists(expected, actual, path)
    elif isinstance(expected, AnyOrder):
        yield from _compare_any_order(expected, actual, path)
    elif not _same(expected, actual):
        yield f"{path}: expected {_shown(expected)}, is {_shown(actual)}"


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, Average):
        if not _is_number(actual):
            return False
        return abs(Fraction(actual) - expected.exact) <= abs(expected.exact) * _CLOSE
    if _is_number(expected):
        return _is_number(actual) and bool(expected == actual)
    return type(expected) is type(actual) and bool(expected == actual)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _compare_objects(expected: dict[str, Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, dict):
        yield f"{path}: expected an object, is {_shown(actual)}"
        return
    for key in sorted(expected.keys() - actual.keys()):
        yield f"{path}.{key}: missing"
    for key in sorted(actual.keys() - expected.keys()):
        yield f"{path}.{key}: too many, is {_shown(actual[key])}"
    for key in sorted(expected.keys() & actual.keys()):
        yield from compare(expected[key], actual[key], f"{path}.{key}")


def _compare_lists(expected: list[Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, list):
        yield f"{path}: expected an array, is {_shown(actual)}"
        return
    if len(expected) != len(actual):
        yield f"{path}: expected {len(expected)} elements, has {len(actual)}"
        return
    for place, (want, have) in enumerate(zip(expected, actual, strict=True)):
        yield from compare(want, have, f"{path}[{place}]")


def _compare_any_order(expected: AnyOrder, actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, list):
        yield f"{path}: expected an array, is {_shown(actual)}"
        return
    pair = sorted(expected.items, key=_canonical), sorted(actual, key=_canonical)
    found = list(_compare_lists(*pair, path))
    yield from found
    if expected.by is not None and not found:
        want = [item[expected.by] for item in expected.items]
        have = [item[expected.by] for item in actual]
        if want != have:
            yield f"{path}: in the wrong order, {expected.by} is {_shown(have)}"


def _canonical(value: Any) -> str:
    """A text that is equal for equal values; arrays count as multisets, as it only serves to pair."""
    if isinstance(value, AnyOrder):
        value = value.items
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted(_canonical(item) for item in value)) + "]"
    if _is_number(value):
        return str(Fraction(value))
    return repr(value)


def _sorted(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: (len(key), key))


def _shown(value: Any, limit: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."
