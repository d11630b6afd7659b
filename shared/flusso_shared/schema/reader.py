"""Reads `*.schema.yml` into a `Schema`, or raises `Problems` with everything that is wrong in the file."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from flusso_shared.errors import ConfigError
from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    ColumnField,
    Condition,
    Field,
    ObjectField,
    RawCondition,
    SoftDelete,
)
from flusso_shared.plan.placed_conditions import placed
from flusso_shared.problems import Problems
from flusso_shared.schema.conditions import conditions
from flusso_shared.schema.fields import FieldReader
from flusso_shared.schema.identifiers import columns, identifier
from flusso_shared.schema.level import Level, description
from flusso_shared.schema.model import Schema
from flusso_shared.schema.yaml_nodes import Document, Node

_KEYS = (
    "version",
    "table",
    "schema",
    "primary_key",
    "doc_id",
    "soft_delete",
    "filters",
    "fields",
    "verify_every",
    "description",
)
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smh])", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def load_schema(path: Path, index: str) -> Schema:
    """Read the schema of `index`.  Raises `ConfigError` naming the index and the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"index `{index}`: schema {path} is not UTF-8 text") from error
    except (OSError, ValueError) as error:  # the latter for a path that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"index `{index}`: cannot read schema {path}: {reason}") from error
    document = Document(str(path), text)
    schema = _read(document) if document.root is not None else None
    if document.root is None and not document.problems:
        document.add(None, "the file is empty; it needs at least `table` and `fields`")
    if document.problems:
        raise Problems(document.found())
    assert schema is not None
    return schema


def _read(document: Document) -> Schema:
    entries = document.entries(document.root, "a schema")
    document.only(entries, _KEYS, "a schema")
    for name in ("table", "fields"):
        if entries and name not in entries:
            document.add(document.root, f"`{name}` is missing")
    _check_version(document, entries)

    def one(name: str, default: str) -> str:
        return identifier(document, entries[name][1], name) if name in entries else default

    root = TableName(one("schema", "public"), one("table", ""))
    key = (
        columns(document, entries["primary_key"][1], "primary_key")
        if "primary_key" in entries
        else ()
    )
    reader = FieldReader(document)
    # A key that is given and wrong is one problem, not one more for every relation.
    given = ("?",) if "primary_key" in entries else ()
    level = Level(schema=root.schema, key=key or given, root=True)
    fields = reader.fields(entries["fields"][1], level) if "fields" in entries else ()
    filters = conditions(document, entries["filters"][1]) if "filters" in entries else ()
    soft_delete = None
    if "soft_delete" in entries:
        soft_delete = _soft_delete(document, entries["soft_delete"][1], fields)
    every = _verify_every(document, entries)
    _check_volatile(document, (fields, filters, soft_delete), every)
    named = columns(document, entries["doc_id"][1], "doc_id") if "doc_id" in entries else key
    about = description(document, entries["description"][1]) if "description" in entries else ""
    return Schema(root, named, fields, soft_delete, filters, verify_every=every, description=about)


def _verify_every(document: Document, entries: dict[str, tuple[Node, Node]]) -> float:
    if "verify_every" not in entries:
        return 0.0
    node = entries["verify_every"][1]
    found = _DURATION.fullmatch(str(document.value(node)))
    if found is None:
        document.add(node, "`verify_every` is a number of seconds, minutes or hours: 30s, 10m, 1h")
        return 1.0
    return int(found[1]) * _SECONDS[found[2]]


def _check_volatile(
    document: Document,
    declared: tuple[tuple[Field, ...], tuple[Condition, ...], SoftDelete | None],
    every: float,
) -> None:
    """What changes without a change of a row can only be found by looking."""
    if (
        any(isinstance(item, RawCondition) and item.volatile for _, item in placed(*declared))
        and not every
    ):
        document.add(
            document.root,
            "a filter is `volatile`: say with `verify_every` (30s, 10m, 1h) how often the index is verified and"
            " repaired",
        )


def _check_version(document: Document, entries: dict[str, tuple[Node, Node]]) -> None:
    version = document.value(entries["version"][1]) if "version" in entries else 1
    if isinstance(version, bool) or not isinstance(version, int) or version != 1:
        document.add(entries["version"][1], "this version is not supported; `version` must be 1")


def _soft_delete(document: Document, node: Node, fields: tuple[Field, ...]) -> SoftDelete | None:
    entries = document.entries(node, "`soft_delete`")
    if not isinstance(node, yaml.MappingNode):
        return None
    document.only(entries, ("column", "field", "when"), "`soft_delete`")
    when = conditions(document, entries["when"][1]) if "when" in entries else ()
    if ("column" in entries) == ("field" in entries):
        document.add(node, "`soft_delete` takes exactly one of `column` and `field`")
        return None
    if "column" in entries:
        return SoftDelete(identifier(document, entries["column"][1], "column"), when)
    wanted = document.text(entries["field"][1], "`field`")
    own = _own_columns(fields)
    if wanted not in own:
        document.add(
            entries["field"][1],
            f"no field `{wanted}` reads a column of the root table; name one that does, or use `column`",
        )
        return None
    return SoftDelete(own[wanted], when)


def _own_columns(fields: tuple[Field, ...]) -> dict[str | None, str]:
    """Document key -> column, over fields that read the root row itself."""
    found: dict[str | None, str] = {}
    for item in fields:
        if isinstance(item, ColumnField) and not item.path:
            found.setdefault(item.key, item.column)
        elif isinstance(item, ObjectField):
            for key, column in _own_columns(item.fields).items():
                found.setdefault(key, column)
    return found
