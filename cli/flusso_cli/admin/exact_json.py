"""JSON text that keeps all digits of numbers, for documents that were read with `maintenance.diff.parsed`.  Pure."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

_STEP = "  "


def exact_json(value: Any, margin: str = "") -> str:
    """The value as JSON; objects and lists have a line per member, indented below `margin`."""
    inner = margin + _STEP
    if isinstance(value, dict) and value:
        members = [
            f"{inner}{json.dumps(str(key), ensure_ascii=False)}: {exact_json(item, inner)}"
            for key, item in value.items()
        ]
        return _joined("{", members, margin + "}")
    if isinstance(value, list) and value:
        return _joined("[", [inner + exact_json(item, inner) for item in value], margin + "]")
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _joined(opening: str, members: list[str], closing: str) -> str:
    return "\n".join([opening, ",\n".join(members), closing])
