"""A value as psycopg gives it -> the JSON that its document must have (docs/types.md says it in words)."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

Convert = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


def number(value: Any) -> Any:
    """Digits as they are; what is no number to JSON is the text."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
        return Decimal(repr(value))
    if value.is_finite():
        return value
    return "NaN" if value.is_nan() else ("-Infinity" if value < 0 else "Infinity")


def money(value: str) -> Decimal:
    """`-$1,234.50` is how psycopg has it: as Postgres prints it."""
    sign = -1 if value.startswith(("-", "(")) else 1
    return sign * Decimal(re.sub(r"[^\d.]", "", value))


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def moment(value: str) -> str:
    """ISO 8601 of a date or timestamp as Postgres prints it: `0044-03-15 10:00:00+00 BC`."""
    if value in ("infinity", "-infinity"):
        return value
    text, _, era = value.partition(" BC")
    assert not era
    year, rest = text.split("-", 1)
    if value.endswith(" BC"):
        before = 1 - int(year)
        year = f"{before:05d}" if before else "0000"
    elif len(year) > 4:
        year = "+" + year
    day, space, time = rest.partition(" ")
    zone = re.fullmatch(r"(.*)\+00", time)
    return f"{year}-{day}" + ("T" if space else "") + (f"{zone[1]}+00:00" if zone else time)


def unpadded(value: str) -> str:
    return value.rstrip(" ")


def each(convert: Convert) -> Convert:
    """The same in an array of any dimensions."""

    def elements(value: Any) -> Any:
        if isinstance(value, list):
            return [elements(item) for item in value]
        return None if value is None else convert(value)

    return elements


def part(value: Any) -> dict[str, Any]:
    """A composite value."""
    converts: tuple[Convert, ...] = (encoded, money, moment, each(unpadded), moment, same)
    names = ("Raw", "cost", "day", "tags", "at", "a b")
    return {
        name: None if item is None else convert(item)
        for name, convert, item in zip(names, converts, value, strict=True)
    }


def labels(value: list[str | None]) -> list[str | None]:
    return [None if item is None else item.strip(" ").lower() for item in value]
