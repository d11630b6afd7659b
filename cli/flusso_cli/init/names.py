"""Names for what the files declare, made from names in Postgres, and how those are written in YAML.  Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

import yaml

from flusso_shared.names import TableName

_FOREIGN = re.compile(r"[^A-Za-z0-9_]+", re.ASCII)
_FOLDED = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_NO_TEXTS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What some reader of YAML takes for something else than a text."""
_RESERVED = frozenset({"flusso_meta", "flusso_quarantine"})
_MAX_BYTES = 63
_NUMBER_BYTES = 4
"""For the number that tells equal names apart."""


def free(wishes: Iterable[str], taken: Collection[str]) -> str:
    """The first wish that is not taken, else the first with a number."""
    first = ""
    for wish in wishes:
        first = first or wish
        if wish not in taken:
            return wish
    number = 2
    while f"{first}_{number}" in taken:
        number += 1
    return f"{first}_{number}"


def document_key(*parts: str) -> str:
    """A key of a document after names in Postgres; never one of OpenSearch's own, which begin with `_`."""
    key = _ascii("_".join(parts)) or "field"
    return (f"f_{key}" if key[0].isdigit() else key)[: _MAX_BYTES - _NUMBER_BYTES].rstrip("_")


def index_names(tables: Sequence[TableName]) -> dict[TableName, str]:
    """A name of its own for the index over each table."""
    found: dict[TableName, str] = {}
    for table in tables:
        wishes = [_index_name(table.name), _index_name(table.schema, table.name)]
        found[table] = free(wishes, [*found.values(), *_RESERVED])
    return found


def _index_name(*parts: str) -> str:
    name = _ascii("_".join(parts)).lower() or "table"
    return (f"t_{name}" if name[0].isdigit() else name)[: _MAX_BYTES - _NUMBER_BYTES].rstrip("_")


def _ascii(text: str) -> str:
    """Letters, digits and single `_` between them; accents are dropped."""
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(character)
    )
    return _FOREIGN.sub("_", bare).strip("_")


# --- YAML ---------------------------------------------------------------------------------------


def identifier(name: str) -> str:
    """A name in Postgres as a schema file has it: in double quotes where it would be folded or refused."""
    if _FOLDED.fullmatch(name):
        return scalar(name)
    doubled = name.replace('"', '""')
    return scalar(f'"{doubled}"')


def identifiers(columns: Sequence[str]) -> str:
    """One column, or a list of them."""
    if len(columns) == 1:
        return identifier(columns[0])
    return f"[{', '.join(identifier(name) for name in columns)}]"


def scalar(text: str) -> str:
    """A text that every reader of YAML takes as this text, in lists too."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXTS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    quoted: str = yaml.safe_dump(text, default_style='"', width=float("inf"), allow_unicode=True)
    return quoted.strip()


def shown(table: TableName) -> str:
    """A table in a comment, which ends at its line."""
    return one_line(str(table))


def one_line(text: str) -> str:
    """The text without what could end a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)
