"""How a name in a schema file is looked up in the database: as it is written, then in lower case.  Pure.

A name in double quotes, `'"Order No"'`, is looked up as it is written, then without the quotes.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from flusso_shared.names import TableName

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII | re.IGNORECASE)


def quoted(written: str) -> str | None:
    """What stands between the double quotes; None for a name without them."""
    if len(written) < 2 or written[0] != '"' or written[-1] != '"':
        return None
    return written[1:-1].replace('""', '"')


def spellings(written: str) -> tuple[str, ...]:
    """What the name may be in the database; the first that exists is meant."""
    inner = quoted(written)
    other = written.lower() if inner is None else inner
    return (written,) if other == written else (written, other)


def found(written: str, existing: Container[str]) -> str:
    """The name in the database; as it is written where there is none."""
    return next((name for name in spellings(written) if name in existing), written)


def table_spellings(written: TableName) -> Iterator[TableName]:
    """The same of a table."""
    for schema in spellings(written.schema):
        for name in spellings(written.name):
            yield TableName(schema, name)


def found_table(written: TableName, existing: Container[TableName]) -> TableName:
    """The table in the database; as it is written where there is none."""
    return next((name for name in table_spellings(written) if name in existing), written)


def folded(written: str) -> str:
    """One form for spellings that mean the same in almost every database: for hashes and comparisons without one."""
    inner = quoted(written)
    if inner is not None:
        return inner
    return written.lower() if _PLAIN.fullmatch(written) else written
