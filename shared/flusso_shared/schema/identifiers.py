"""Identifiers in schema files.  They stay as they are written: what they mean, the database decides (`spelling`)."""

from __future__ import annotations

import re

import yaml

from flusso_shared.plan.spelling import quoted
from flusso_shared.schema.yaml_nodes import Document, Node

_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_MAX_BYTES = 63
"""NAMEDATALEN - 1, in bytes."""


def identifier(document: Document, node: Node, what: str) -> str:
    """A Postgres identifier; an empty string after a problem."""
    text = document.text(node, f"`{what}`")
    if text is None:
        return ""
    name = text.strip()
    inner = quoted(name)
    problem = _problem(name if inner is None else inner, quotes=inner is not None)
    if problem:
        document.add(node, f"`{text}` {problem}")
        return ""
    return name


def _problem(name: str, *, quotes: bool) -> str:
    """Why Postgres cannot have such a name, or who writes it means something else."""
    if not name:
        return "is not a name"
    if len(name.encode()) > _MAX_BYTES:
        return f"is longer than {_MAX_BYTES} bytes, the longest name in Postgres"
    if "." in name and not quotes:
        return (
            "is not one name: the database schema is given by `schema`, and a name that holds a dot is written"
            f" in double quotes inside single ones: '\"{name}\"'"
        )
    return ""


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
    if not _KEY.fullmatch(key) or len(key) > _MAX_BYTES:
        document.add(
            node,
            f"`{text}` is not a document key: letters, digits and `_`, not starting with a digit,"
            f" at most {_MAX_BYTES}",
        )
        return ""
    return key
