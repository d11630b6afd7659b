"""Numbers with all their digits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from opensearchpy.exceptions import SerializationError
from opensearchpy.serializer import JSONSerializer


class ExactSerializer(JSONSerializer):
    """Reads numbers with a fraction as `Decimal`: `OpenSearch(..., serializer=ExactSerializer())`.

    Without it they pass through `float`, which keeps 15 digits; that is enough where columns are not longer.
    """

    def loads(self, s: Any) -> Any:
        """The value of a JSON text.  Raises `SerializationError`."""
        try:
            return json.loads(s, parse_float=Decimal)
        except (ValueError, TypeError) as error:
            raise SerializationError(s, error) from error


def optional_float(value: float | Decimal | None) -> float | None:
    """A number of OpenSearch's own, such as a score, which is a float with either serializer."""
    return None if value is None else float(value)
