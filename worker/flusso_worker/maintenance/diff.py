"""The paths at which two parsed documents differ.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

MAX_PATHS = 20
_ABSENT = object()


def parsed(text: str | bytes) -> Any:
    """Parse JSON; fractions keep all of their digits."""
    return json.loads(text, parse_float=Decimal)


def differing_paths(expected: Any, actual: Any) -> list[str]:
    """Paths like `orders[2].status`, at most `MAX_PATHS`; none when the documents are equal."""
    return list(islice(_paths(expected, actual, ""), MAX_PATHS))


def _paths(expected: Any, actual: Any, path: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in dict.fromkeys([*expected, *actual]):
            inner = f"{path}.{key}" if path else key
            yield from _paths(expected.get(key, _ABSENT), actual.get(key, _ABSENT), inner)
    elif isinstance(expected, list) and isinstance(actual, list):
        for at in range(max(len(expected), len(actual))):
            yield from _paths(_at(expected, at), _at(actual, at), f"{path}[{at}]")
    elif not _same(expected, actual):
        yield path or "(the whole document)"


def _at(items: list[Any], at: int) -> Any:
    return items[at] if at < len(items) else _ABSENT


def _same(expected: Any, actual: Any) -> bool:
    """Whether values are equal and of the same kind: `true` is not 1, while 1 and 1.0 are the same number."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return bool(expected == actual)
