"""The classes and functions of the query client, with their docstrings."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import flusso_query
from flusso_query import errors

_SECTIONS = (
    ("Clients", ("client",)),
    ("Searches and results", ("search",)),
    ("Models", ("document", "binding", "projection", "point", "schema", "serializers")),
    ("Handles of fields", ("fields", "scope")),
    ("Queries", ("query", "queries")),
    ("Orders", ("sorting",)),
    ("Aggregations", ("aggregations",)),
    ("Errors", ("errors",)),
)
"""Heading -> the packages and modules whose public names it has."""


def names() -> str:
    """Every public name, by section."""
    found = [getattr(flusso_query, name) for name in flusso_query.__all__]
    found += [item for item in vars(errors).values() if _is_own(item, errors)]
    lines: list[str] = []
    for heading, modules in _SECTIONS:
        lines += [f"## {heading}", ""]
        for item in found:
            if item.__module__.split(".")[1] in modules:
                lines += _class(item) if isinstance(item, type) else _function(item)
    return "\n".join(lines)


def _is_own(item: Any, module: ModuleType) -> bool:
    return isinstance(item, type) and item.__module__ == module.__name__


def _class(item: type) -> Iterator[str]:
    yield f"### `{item.__name__}`"
    yield ""
    yield _text(item)
    yield ""
    made = vars(item).get("__init__")
    if made is not None and _text(made):
        yield f"* `{item.__name__}{_parameters(made, bound=True)}`: {_text(made)}"
    yield from _attributes(item)
    members = {
        name: member
        for base in reversed(item.__mro__)
        if base.__module__.startswith("flusso_query.") and not issubclass(base, Exception)
        for name, member in vars(base).items()
        if not name.startswith("_")
    }
    rows = [row for name, member in members.items() if (row := _member(name, member))]
    yield from rows
    yield ""


def _attributes(item: type) -> Iterator[str]:
    """Those with a docstring below them."""
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(item))).body
    assert isinstance(tree, ast.ClassDef)
    for above, below in itertools.pairwise(tree.body):
        if (
            isinstance(above, ast.AnnAssign)
            and isinstance(above.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield f"* `{above.target.id}`: {' '.join(str(below.value.value).split())}"


def _member(name: str, member: Any) -> str:
    """A method or a property, as an item of a list; empty for what has no docstring."""
    if isinstance(member, property):
        shown, text = name, _text(member)
    elif callable(member) or isinstance(member, classmethod | staticmethod):
        function = getattr(member, "__func__", member)
        shown, text = f"{name}{_parameters(function, bound=True)}", _text(function)
    else:
        return ""
    return f"* `{shown}`: {text}" if text else ""


def _function(item: Any) -> Iterator[str]:
    yield f"### `{item.__name__}`"
    yield ""
    yield f"`{item.__name__}{_parameters(item, bound=False)}`"
    yield ""
    yield _text(item)
    yield ""


def _parameters(function: Any, *, bound: bool) -> str:
    """Names and defaults, without types: these are in the editor."""
    found = list(inspect.signature(function).parameters.values())
    found = found[1:] if bound and found and found[0].name in ("self", "cls") else found
    plain = [item.replace(annotation=inspect.Parameter.empty) for item in found]
    return str(inspect.Signature(plain))


def _text(item: Any) -> str:
    """The docstring in one line; empty for one that is inherited from elsewhere."""
    own = item.__doc__ if not isinstance(item, type) else vars(item).get("__doc__")
    if not own or own.startswith(f"{getattr(item, '__name__', '')}("):
        return ""
    return " ".join(inspect.cleandoc(own).split())
