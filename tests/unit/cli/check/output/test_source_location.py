"""Where diagnostics are shown in a schema file."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_cli.check.output.source_location import Mention, located, place
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.schema.yaml_nodes import Document

_TEXT = """\
# a comment
table: Title
primary_key: [id, Part]
soft_delete:
  column: gone
  when:
    - { column: state, op: eq, value: x }
filters:
  - column: visible
    op: is_null
  - raw: >
      size > 3
      AND size < 9
fields:
  - integer: id
  - required: true
    text: name
    column: '"Full Name"'
  - object: edition
    fields:
      - column: on
        date: printedOn
      - has_many: copies
        table: copy
        primary_key: id
        foreign_key: title_id
        filters: [{ raw: "stat = 1" }]
        fields:
          - keyword: title_id
"""


@pytest.mark.parametrize(
    ("field", "name", "expected"),
    [
        ("", "", (2, 1)),
        ("", "title", (2, 8)),
        ("primary_key", "", (3, 14)),
        ("primary_key", "part", (3, 19)),
        ("soft_delete", "gone", (5, 11)),
        ("soft_delete.when", "state", (7, 17)),
        ("filters", "visible", (9, 13)),
        ("filters", "size > 3 AND size < 9", (11, 10)),
        ("id", "", (15, 5)),
        ("name", "", (17, 5)),
        ("name", "Full Name", (18, 13)),
        ("edition.printedOn", "on", (21, 17)),
        ("edition.printedOn", "nothing", (22, 9)),
        ("edition.copies", "", (23, 9)),
        ("edition.copies", "copy", (24, 16)),
        ("edition.copies", "title_id", (26, 22)),
        ("edition.copies.filters", "stat = 1", (27, 26)),
        ("edition.copies.title_id", "title_id", (29, 22)),
        ("edition.lost.deeper", "", (19, 5)),
    ],
)
def test_the_narrowest_place_that_is_known(
    field: str, name: str, expected: tuple[int, int]
) -> None:
    root = Document("a.yml", _TEXT).root
    assert root is not None
    assert place(root, field, name) == expected


def test_the_key_is_what_names_documents() -> None:
    root = Document("a.yml", "table: t\nprimary_key: id\ndoc_id: code\n").root
    assert root is not None
    assert place(root, "primary_key", "code") == (3, 9)


def test_diagnostics_of_indexes_get_their_places(tmp_path: Path) -> None:
    path = tmp_path / "a.schema.yml"
    path.write_text(_TEXT)
    found = [
        Diagnostic("error", "r", "m", index="a", field="name"),
        Diagnostic("error", "r", "m", subject="server"),
        Diagnostic("error", "r", "m", index="b", field="name"),
        Diagnostic("error", "r", "m", subject="table public.copy"),
    ]
    tables = {"table public.copy": Mention("a", "edition.copies", "copy")}
    files = {"a": str(path), "b": str(tmp_path / "gone.yml")}
    assert [(item.file, item.line, item.column) for item in located(found, files, tables)] == [
        (str(path), 17, 5),
        ("", 0, 0),
        ("", 0, 0),
        (str(path), 24, 16),
    ]
