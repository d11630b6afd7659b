"""Filters and order in schema files."""

from __future__ import annotations

from typing import Any, cast, get_args

import yaml

from flusso_shared.plan.model import (
    CompareCondition,
    CompareOp,
    Condition,
    NullCondition,
    OrderBy,
    RawCondition,
)
from flusso_shared.problems import did_you_mean, listed
from flusso_shared.schema.identifiers import identifier
from flusso_shared.schema.yaml_nodes import Document, Node

_COMPARE: tuple[str, ...] = get_args(CompareOp)
_NULL = ("is_null", "is_not_null")
_LISTS = ("in", "not_in", "between")


def conditions(document: Document, node: Node) -> tuple[Condition, ...]:
    """A list of filters."""
    found = [_condition(document, item) for item in document.items(node, "filters")]
    return tuple(item for item in found if item is not None)


def _condition(document: Document, node: Node) -> Condition | None:
    entries = document.entries(node, "a filter")
    if not isinstance(node, yaml.MappingNode):
        return None
    if "raw" in entries:
        document.only(entries, ("raw", "volatile"), "a raw filter")
        sql = document.text(entries["raw"][1], "`raw`")
        if sql is not None and not sql.strip():
            document.add(entries["raw"][1], "`raw` is empty")
        return RawCondition((sql or "").strip(), _volatile(document, entries))
    document.only(entries, ("column", "op", "value"), "a filter")
    if "column" not in entries or "op" not in entries:
        document.add(node, "a filter needs `column` and `op`, or `raw`")
        return None
    column = identifier(document, entries["column"][1], "column")
    op = document.text(entries["op"][1], "`op`")
    if op in _NULL:
        if "value" in entries:
            document.add(entries["value"][0], f"`{op}` takes no `value`")
        return NullCondition(column, op == "is_not_null")
    if op not in _COMPARE:
        allowed = (*_COMPARE, *_NULL)
        document.add(
            entries["op"][1],
            f"unknown `op` `{op}`{did_you_mean(op or '', allowed)}; allowed are {listed(allowed)}",
        )
        return None
    if "value" not in entries:
        document.add(node, f"`{op}` needs a `value`")
        return None
    compare = cast(CompareOp, op)
    return CompareCondition(column, compare, _operands(document, compare, entries["value"][1]))


def _volatile(document: Document, entries: dict[str, tuple[Node, Node]]) -> bool:
    if "volatile" not in entries:
        return False
    value = document.value(entries["volatile"][1])
    if not isinstance(value, bool):
        document.add(entries["volatile"][1], "`volatile` must be true or false")
    return value is True


def _operands(document: Document, op: str, node: Node) -> tuple[str, ...]:
    if op not in _LISTS:
        text = _operand(document, node)
        return () if text is None else (text,)
    if not isinstance(node, yaml.SequenceNode):
        document.add(node, f"`{op}` needs a list")
        return ()
    if not node.value:
        document.add(node, f"`{op}` needs at least one value")
    if op == "between" and len(node.value) != 2:
        document.add(node, "`between` needs exactly two values")
    found = [_operand(document, item) for item in node.value]
    return tuple(item for item in found if item is not None)


def _operand(document: Document, node: Node) -> str | None:
    """A scalar as text: Postgres casts it to the column's type."""
    if not isinstance(node, yaml.ScalarNode):
        document.add(node, "a filter value must be a single value here")
        return None
    value: Any = document.value(node)
    if value is None:
        document.add(node, "a filter value cannot be null; use `is_null` or `is_not_null`")
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(node.value)


def order_by(document: Document, node: Node) -> tuple[OrderBy, ...]:
    """A list of `{column, direction?}`."""
    found: list[OrderBy] = []
    for item in document.items(node, "`order_by`"):
        entries = document.entries(item, "an `order_by` entry")
        document.only(entries, ("column", "direction"), "an `order_by` entry")
        if "column" not in entries:
            document.add(item, "an `order_by` entry needs `column`")
            continue
        direction = (
            document.text(entries["direction"][1], "`direction`")
            if "direction" in entries
            else "asc"
        )
        if direction not in ("asc", "desc"):
            document.add(entries["direction"][1], "`direction` must be `asc` or `desc`")
        found.append(
            OrderBy(identifier(document, entries["column"][1], "column"), direction == "desc")
        )
    return tuple(found)
