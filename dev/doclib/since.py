"""Which version brought a key or an option: `since.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("since.toml")
missing: list[str] = []
"""Names that were asked for and are not in the file."""


@cache
def _versions() -> dict[str, str]:
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {name: version for version, table in tables.items() for name in table["new"]}


def of(name: str) -> str:
    """The version of `flusso.toml: queue.partitions`, `schema.yml: field.path`, `command: flusso run --slot`."""
    found = _versions().get(name)
    if found is None:
        missing.append(name)
        return "unknown"
    return found
