"""Values in queries: how each is spelled, and which the field can hold."""

from __future__ import annotations

import base64
import enum
import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from flusso_query.errors import ValueRangeError

_LARGEST_HALF, _LARGEST_FLOAT, _LARGEST_DOUBLE = (
    65504.0,
    3.4028234663852886e38,
    1.7976931348623157e308,
)
RANGES: Mapping[str, tuple[int | float, int | float]] = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "integer_range": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "long_range": (-(2**63), 2**63 - 1),
    "unsigned_long": (0, 2**64 - 1),
    "half_float": (-_LARGEST_HALF, _LARGEST_HALF),
    "float": (-_LARGEST_FLOAT, _LARGEST_FLOAT),
    "float_range": (-_LARGEST_FLOAT, _LARGEST_FLOAT),
    "double": (-_LARGEST_DOUBLE, _LARGEST_DOUBLE),
    "double_range": (-_LARGEST_DOUBLE, _LARGEST_DOUBLE),
    "scaled_float": (-_LARGEST_DOUBLE, _LARGEST_DOUBLE),
}
"""OpenSearch type -> the least and the greatest value; outside of it OpenSearch refuses the whole search."""


def spelled(value: Any) -> Any:
    """The JSON value that OpenSearch is sent."""
    if value is None:
        raise TypeError(
            "no value: a condition on nothing would match nothing. Leave the condition out (`when(value, field.eq)`), or ask"
            " for documents without one (`~field.exists()`)"
        )
    if isinstance(value, enum.Enum):
        return spelled(value.value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        # As text, with all its digits: OpenSearch reads numbers from text.
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def number(value: Any, type_: str, path: str) -> Any:
    """A number as it is sent.  Raises `ValueRangeError` when a field of this OpenSearch type cannot hold it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"`{path}` is compared with numbers, not with {type(value).__name__}")
    least, greatest = RANGES.get(type_, (-math.inf, math.inf))
    if math.isnan(value) or not least <= value <= greatest or math.isinf(value):
        raise ValueRangeError(f"`{path}` is of type {type_}, which holds no {value}")
    return spelled(value)
