"""YAML as nodes that know where they stand; collects problems instead of stopping at the first.

Scalars mean what YAML 1.2 says: `no`, `on`, `12:30`, `007` and `2024-01-01` are strings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from flusso_shared.problems import Problem, did_you_mean, listed

Node = yaml.Node

_TAG = "tag:yaml.org,2002:"
_MAX_NESTING = 100
"""Levels of nesting; an alias that contains itself has no end."""
_MAX_NUMBER_CHARACTERS = 1000
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where it is there
    """Composes nodes, with the implicit types of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # the base's own way to be configured


_FLOAT = r"""[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?
            |[-+]?(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+
            |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"""
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$", re.X), _first)


class Document:
    """One YAML file and what is wrong in it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = _LINE_BREAK.split(text)
        self.root: Node | None = None
        try:
            root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            reason = error.problem or error.context
            self.add(error.problem_mark or error.context_mark, f"not valid YAML: {reason}")
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            self.problems.append(Problem(file, 0, 0, f"not valid YAML: {reason}"))
        else:
            if root is None or not self._too_deep(root, 0, set()):
                self.root = root

    def _too_deep(self, node: Node, depth: int, done: set[int]) -> bool:
        if depth > _MAX_NESTING:
            self.add(node, f"nested more than {_MAX_NESTING} levels deep, or inside itself")
            return True
        if id(node) in done or isinstance(node, yaml.ScalarNode):
            return False
        inner = (
            [part for entry in node.value for part in entry]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        if any(self._too_deep(item, depth + 1, done) for item in inner):
            return True
        done.add(id(node))
        return False

    def add(self, at: Any, message: str) -> None:
        """Note a problem at a node or mark."""
        mark = getattr(at, "start_mark", at)
        if mark is None:
            self.problems.append(Problem(self.file, 0, 0, message))
            return
        source = self._lines[mark.line] if mark.line < len(self._lines) else ""
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, message, source))

    def found(self) -> list[Problem]:
        """Every problem once, in the order of the file."""
        return sorted(dict.fromkeys(self.problems), key=lambda item: (item.line, item.column))

    # --- values ---------------------------------------------------------------------------------

    def value(self, node: Node) -> Any:
        """The node as a JSON value."""
        if isinstance(node, yaml.MappingNode):
            entries = self.entries(node, "this mapping")
            return {name: self.value(value) for name, (_, value) in entries.items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        return self._scalar(node)

    def _scalar(self, node: Node) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float":
                return self._number(node, text)
            case "str":
                if "\0" in text:
                    self.add(node, "a value must not hold the character U+0000")
                return text
            case _:
                self.add(node, f"the tag `{node.tag}` means nothing here")
                return text

    def _number(self, node: Node, text: str) -> int | float:
        if node.tag == _TAG + "int" and len(text) <= _MAX_NUMBER_CHARACTERS:
            return int(text, 0)
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            self.add(
                node, f"`{text}` is not a number that JSON can hold; for text, write it in quotes"
            )
        return number

    def text(self, node: Node, what: str) -> str | None:
        """A string scalar."""
        if not isinstance(node, yaml.ScalarNode):
            self.add(node, f"{what} must be a string")
            return None
        value = self._scalar(node)
        if not isinstance(value, str):
            hint = f"; write it in quotes: '{node.value}'" if node.value else ""
            self.add(node, f"{what} must be a string{hint}")
            return None
        return value

    def boolean(self, node: Node, what: str) -> bool:
        """`true` or `false`."""
        value = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            self.add(node, f"{what} must be true or false")
            return False
        return value

    # --- mappings and lists ---------------------------------------------------------------------

    def entries(self, node: Node | None, what: str) -> dict[str, tuple[Node, Node]]:
        """A mapping's entries, key text -> (key node, value node); duplicate keys are problems."""
        if not isinstance(node, yaml.MappingNode):
            self.add(node, f"{what} must be a mapping")
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            name = self.text(key, "a key")
            if name is None:
                continue
            if name in found:
                self.add(key, f"`{name}` is given twice in {what}")
            found[name] = (key, value)
        return found

    def items(self, node: Node | None, what: str) -> Iterator[Node]:
        """A sequence's items."""
        if not isinstance(node, yaml.SequenceNode):
            self.add(node, f"{what} must be a list")
            return
        yield from node.value

    def only(
        self, entries: dict[str, tuple[Node, Node]], allowed: tuple[str, ...], what: str
    ) -> None:
        """Every other key is a problem."""
        for name, (key, _) in entries.items():
            if name not in allowed:
                hint = did_you_mean(name, allowed)
                self.add(key, f"{what} has no key `{name}`{hint}; allowed are {listed(allowed)}")
