"""Names of topics.  Pure.

A table's schema and name may hold anything, a topic's name may not: every byte outside `[A-Za-z0-9_]`
becomes `-` and two hex digits, so that no two tables share a topic.
"""

from __future__ import annotations

import hashlib
import re

from flusso_shared.names import TableName

MAX_TOPIC_LENGTH = 249
_UNSAFE = re.compile(rb"[^A-Za-z0-9_]")
_DIGEST_LENGTH = 16


def table_part(table: TableName) -> str:
    """`<schema>.<table>`, escaped."""
    return f"{_escaped(table.schema)}.{_escaped(table.name)}"


def topic_name(prefix: str, table: TableName) -> str:
    """The topic of a table.  A name too long for Kafka ends in `-h` and a digest of the whole instead."""
    name = f"{prefix}.{table_part(table)}"
    if len(name) <= MAX_TOPIC_LENGTH:
        return name
    # An escape is never `-h`: this cannot be the topic of another table.
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: MAX_TOPIC_LENGTH - _DIGEST_LENGTH - 2]}-h{digest}"


def control_topic(prefix: str) -> str:
    """The control topic, which capture writes; a table's topic always has one more dot."""
    return f"{prefix}._control"


def _escaped(name: str) -> str:
    return _UNSAFE.sub(lambda found: b"-%02x" % found[0][0], name.encode()).decode()
