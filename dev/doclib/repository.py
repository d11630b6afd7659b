"""Links from pages to files outside `docs/`: the site has a page for each such file.  Pure, but for reading the files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from stacklib.layout import ROOT

_LINK = re.compile(r"\]\((\.\./[^)\s#]+)(#[^)\s]*)?\)")
_LANGUAGES = {
    ".py": "python",
    ".sql": "sql",
    ".toml": "toml",
    ".yml": "yaml",
    ".json": "json",
    ".avsc": "json",
}
_FOLDER = "repository"
_FRONT = "---\nsearch:\n  exclude: true\n---\n"
_OWN_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)\s]+\)")
"""A link within the repository, in one of its Markdown files."""


def linked(texts: Mapping[str, str]) -> Iterable[str]:
    """The paths outside `docs/` that the pages link to, from the root of the repository."""
    found = {
        path
        for page, text in texts.items()
        for target, _ in _LINK.findall(text)
        if (path := _outside(page, target)) is not None
    }
    return sorted(found)


def uri(path: str) -> str:
    """Where the page of a file is, from `docs/`."""
    return f"{_FOLDER}/{path}.md"


def page(path: str) -> str:
    """The page of a file or folder."""
    place = ROOT / path
    head = f"{_FRONT}# `{path}`\n\n"
    if place.is_dir():
        entries = sorted(item.name + "/" * item.is_dir() for item in place.iterdir())
        return head + "\n".join(f"* `{name}`" for name in entries) + "\n"
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".md":
        return _FRONT + _OWN_LINK.sub(r"\1", text)
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or ("",)))
    return f"{head}{fence}{_LANGUAGES.get(place.suffix, 'text')}\n{text}{fence}\n"


def with_links(text: str, page: str) -> str:
    """A page whose links to the repository lead to pages of the site."""

    def led(found: re.Match[str]) -> str:
        path = _outside(page, found[1])
        if path is None:
            return found[0]
        return f"]({posixpath.relpath(uri(path), posixpath.dirname(page) or '.')})"

    return _LINK.sub(led, text)


def _outside(page: str, target: str) -> str | None:
    """The path that a link means, or None if it is in `docs/`."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path
