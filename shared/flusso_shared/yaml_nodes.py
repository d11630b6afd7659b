"""YAML as nodes that know where they stand; collects problems instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from flusso_shared.problems import Problem, did_you_mean, listed

Node = yaml.Node

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """One YAML file and what is wrong in it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = text.splitlines()
        self._values = yaml.SafeLoader("")
        self.root: Node | None = None
        try:
            self.root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            self.add(mark, f"not valid YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            self.problems.append(Problem(file, 0, 0, f"not valid YAML: {error}"))

    def add(self, at: Any, message: str) -> None:
        """Note a problem at a node or mark."""
        mark = getattr(at, "start_mark", at)
        if mark is None:
            self.problems.append(Problem(self.file, 0, 0, message))
            return
        source = self._lines[mark.line] if mark.line < len(self._lines) else ""
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, message, source))

    def value(self, node: Node) -> Any:
        """The plain Python value of a node."""
        return self._values.construct_object(node, deep=True)

    def entries(self, node: Node | None, what: str) -> dict[str, tuple[Node, Node]]:
        """A mapping's entries, key text -> (key node, value node); duplicate keys are problems."""
        if not isinstance(node, yaml.MappingNode):
            self.add(node, f"{what} must be a mapping")
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            name = str(key.value)
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
                self.add(key, f"{what} knows no `{name}`{hint}; allowed are {listed(allowed)}")

    def text(self, node: Node, what: str) -> str | None:
        """A string scalar."""
        value = self.value(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, str):
            self.add(node, f"{what} must be a string")
            return None
        return value

    def boolean(self, node: Node, what: str) -> bool:
        value = self.value(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            self.add(node, f"{what} must be true or false")
            return False
        return value
