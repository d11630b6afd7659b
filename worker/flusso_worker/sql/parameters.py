"""Python values as the text of query parameters.  Pure."""

from __future__ import annotations

from collections.abc import Iterable


def array_literal(values: Iterable[str | None]) -> bytes:
    """An array in Postgres' text form, elements quoted (section 8.15.6 of its manual)."""
    return ("{" + ",".join([_element(value) for value in values]) + "}").encode()


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    if value.isascii() and value.isdigit():
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
