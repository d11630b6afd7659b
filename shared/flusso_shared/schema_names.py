"""Identifiers in schema files: unquoted ones fold to lower case, `'"Quoted"'` ones are taken exactly."""

from __future__ import annotations

import re

import yaml

from flusso_shared.yaml_nodes import Document, Node

_UNQUOTED = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII)
_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_LONGEST = 63
"""NAMEDATALEN - 1, in bytes."""


def identifier(document: Document, node: Node, what: str) -> str:
    """A Postgres identifier; an empty string after a problem."""
    text = document.text(node, f"`{what}`")
    if text is None:
        return ""
    name = text.strip()
    if len(name) > 2 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('""', '"')
    else:
        name = name.lower()
        if not _UNQUOTED.fullmatch(name):
            document.add(
                node,
                f"`{text}` is not an identifier (letters, digits and `_`, not starting with a digit);"
                f" an unusual name is written in double quotes inside single ones: '\"{text.strip()}\"'",
            )
            return ""
    if len(name.encode()) > _LONGEST:
        document.add(
            node, f"`{text}` is longer than {_LONGEST} bytes, the longest name in Postgres"
        )
        return ""
    return name


def columns(document: Document, node: Node, what: str) -> tuple[str, ...]:
    """One column, or a list of them for a composite key."""
    if isinstance(node, yaml.SequenceNode):
        names = tuple(identifier(document, item, what) for item in node.value)
        if not names:
            document.add(node, f"`{what}` must name at least one column")
        return names
    name = identifier(document, node, what)
    return (name,) if name else ()


def document_key(document: Document, node: Node) -> str:
    """The key of a field in the document."""
    text = document.text(node, "the document key")
    if text is None:
        return ""
    key = text.strip()
    if not _KEY.fullmatch(key) or len(key) > _LONGEST:
        document.add(
            node,
            f"`{text}` is not a document key: letters, digits and `_`, not starting with a digit,"
            f" at most {_LONGEST}",
        )
        return ""
    return key
