"""The text of a module with the models and the field handles of some indexes.  Pure, and the same to the byte for the same schemas."""

from __future__ import annotations

from collections.abc import Sequence

from flusso_cli.models import layout, levels
from flusso_cli.models.levels import QUERY, Level
from flusso_cli.models.names import Names
from flusso_query.schema.shape import IndexShape

_HEAD = '''\
"""Models of documents, and handles of their fields.

Made by `flusso models generate`: change the schema, and generate again.
"""

# ruff: noqa
# fmt: off

from __future__ import annotations
'''


def module_text(indexes: Sequence[IndexShape], *, auto_subfields: bool) -> str:
    """One module for all of them, in their order."""
    taken = [name for index in indexes for name in levels.attribute_names(index.fields)]
    names = Names(frozenset(taken))
    documents = [(index, levels.document_level(index, names)) for index in indexes]
    sections = [
        _section(index, level, names, auto_subfields=auto_subfields) for index, level in documents
    ]
    imports = names.import_lines(QUERY)
    return "\n".join([_HEAD, *imports, *(line for section in sections for line in section), ""])


def _section(
    index: IndexShape, document: Level, names: Names, *, auto_subfields: bool
) -> list[str]:
    rule = f"# --- {index.name} "
    lines = ["", "", rule.ljust(layout.LONGEST, "-"), ""]
    lines += _places(index, document, names)
    labels = [line for level in document.walk() for line in levels.label_types(level, names)]
    lines += ["", *labels] if labels else []
    for level in document.walk():
        lines += ["", "", *found] if (found := levels.scope(level)) else []
    for level in document.walk():
        lines += ["", "", *levels.namespace(level, names, auto_subfields=auto_subfields)]
    for level in document.walk():
        lines += ["", "", *levels.model(level, index, names)]
    return lines


def _places(index: IndexShape, document: Level, names: Names) -> list[str]:
    """One constant for the document, and one for each nested array, with the arrays around it."""
    function = names.imported(QUERY, "Place")
    lines: list[str] = []

    def add(level: Level, paths: tuple[str, ...]) -> None:
        if level.nested and level.shape is not None:
            paths = (*paths, level.shape.path)
        if level.nested or level is document:
            arguments = [layout.quoted(text) for text in (index.name, *paths)]
            lines.extend(layout.call(level.place, function, arguments))
        for child in level.children.values():
            add(child, paths)

    add(document, ())
    return lines
