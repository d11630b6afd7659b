"""Python text in lines that are not too long, as ruff would write it.  Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

LONGEST = 100


def call(before: str, function: str, arguments: Sequence[str], indent: str = "") -> list[str]:
    """`before = function(arguments)`; on one line, or with the arguments on lines of their own."""
    start = f"{indent}{before} = {function}("
    line = f"{start}{', '.join(arguments)})"
    if len(line) <= LONGEST:
        return [line]
    inner = f"{indent}    {', '.join(arguments)}"
    if len(inner) <= LONGEST:
        return [start, inner, f"{indent})"]
    return [start, *(f"{indent}    {item}," for item in arguments), f"{indent})"]


def literal(name: str, function: str, values: Sequence[str]) -> list[str]:
    """`name = function["a", "b"]`."""
    texts = [quoted(value) for value in values]
    line = f"{name} = {function}[{', '.join(texts)}]"
    if len(line) <= LONGEST:
        return [line]
    return [f"{name} = {function}[", *(f"    {text}," for text in texts), "]"]


def docstring(text: str, indent: str = "    ") -> list[str]:
    """A docstring, wrapped where it is long."""
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if safe.endswith('"'):
        safe = safe[:-1] + '\\"'
    if len(f'{indent}"""{safe}"""') <= LONGEST:
        return [f'{indent}"""{safe}"""']
    first, *rest = textwrap.wrap(
        safe, LONGEST - len(indent) - 3, break_long_words=False, break_on_hyphens=False
    )
    return [f'{indent}"""{first}', *(f"{indent}{line}" for line in rest), f'{indent}"""']


def quoted(text: str) -> str:
    """A string literal in double quotes, where that needs no more escapes."""
    found = repr(text)
    if found.startswith("'") and '"' not in text and "\\'" not in found:
        return f'"{found[1:-1]}"'
    return found
