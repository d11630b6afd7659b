"""The paths at which two parsed documents differ.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

MAX_PATHS = 20
_ABSENT = object()


def parsed(text: str | bytes) -> Any:
    """Parse JSON; fractions keep all of their digits."""
    return json.loads(text, parse_float=Decimal)


class FieldDifference(NamedTuple):
    """One place at which two documents differ."""

    path: str
    """Like `orders[2].status`."""
    expected: tuple[Any, ...]
    """The value there, as a tuple of one; empty where the document has none."""
    actual: tuple[Any, ...]


def differing_paths(expected: Any, actual: Any) -> list[str]:
    """Paths like `orders[2].status`, at most `MAX_PATHS`; none when the documents are equal."""
    return [item.path for item in islice(differences(expected, actual), MAX_PATHS)]


def differences(expected: Any, actual: Any, path: str = "") -> Iterator[FieldDifference]:
    """The places at which the documents differ, below `path`; none when they are equal."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in dict.fromkeys([*expected, *actual]):
            inner = f"{path}.{key}" if path else key
            yield from differences(expected.get(key, _ABSENT), actual.get(key, _ABSENT), inner)
    elif isinstance(expected, list) and isinstance(actual, list):
        for at in range(max(len(expected), len(actual))):
            yield from differences(_at(expected, at), _at(actual, at), f"{path}[{at}]")
    elif not _same(expected, actual):
        yield FieldDifference(path or "(the whole document)", _side(expected), _side(actual))


def _side(value: Any) -> tuple[Any, ...]:
    return () if value is _ABSENT else (value,)


def _at(items: list[Any], at: int) -> Any:
    return items[at] if at < len(items) else _ABSENT


def _same(expected: Any, actual: Any) -> bool:
    """Whether values are equal and of the same kind: `true` is not 1, while 1 and 1.0 are the same number."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return bool(expected == actual)
