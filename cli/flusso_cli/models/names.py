"""Names in a generated module: no two are the same, and none hides another that the module needs.  Pure."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

_PARTS = re.compile(r"[a-zA-Z0-9]+")


def camel(name: str) -> str:
    """`order_items` -> `OrderItems`; capitals inside stay."""
    return "".join(part[0].upper() + part[1:] for part in _PARTS.findall(name))


def attributes(keys: Iterable[str], reserved: Container[str], base: type) -> dict[str, str]:
    """Document key -> attribute of a class derived from `base`: the key itself where it can be one."""
    found: dict[str, str] = {}
    for key in keys:
        name = key.lstrip("_") or "field"
        if (
            name != key
            or keyword.iskeyword(name)
            or name in reserved
            or hasattr(base, name)
            or not name[0].isalpha()
        ):
            name += "_"
        while name in found.values():
            name += "_"
        found[key] = name
    return found


@dataclass
class Names:
    """The names at the top of one module."""

    attributes: frozenset[str]
    """Every attribute of every class: inside a class, it hides a name of the module."""
    _own: set[str] = field(default_factory=set)
    _imports: dict[str, dict[str, str]] = field(default_factory=dict)

    def new(self, wish: str) -> str:
        """A name that nothing else has."""
        taken = {local for names in self._imports.values() for local in names.values()}
        while wish in self._own | taken or wish in self.attributes:
            wish += "_"
        self._own.add(wish)
        return wish

    def imported(self, module: str, name: str) -> str:
        """What a name of another module, or a built-in one, is called here."""
        hidden = name in self.attributes or name in self._own
        local = f"_{name}" if hidden else name
        if module != builtins.__name__ or hidden:
            self._imports.setdefault(module, {})[name] = local
        return local

    def import_lines(self, own: str) -> list[str]:
        """The statements, those of the standard library before those of the module `own`."""
        modules = sorted(self._imports, key=lambda module: (module == own, module))
        lines: list[str] = []
        for module in modules:
            names = self._imports[module]
            items = [
                name if local == name else f"{name} as {local}"
                for name, local in sorted(names.items(), key=_import_order)
            ]
            if module == own and lines:
                lines.append("")
            line = f"from {module} import {', '.join(items)}"
            if len(line) <= 100:
                lines.append(line)
            else:
                lines += [f"from {module} import (", *(f"    {item}," for item in items), ")"]
        return lines


def _import_order(item: tuple[str, str]) -> tuple[int, str]:
    """As isort orders: constants, classes, then the rest."""
    name = item[0]
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return rank, name
