"""`flusso plan` says for each of these edits what then happens, and exactly that happens.

The edits stand alone: each is made at whatever the edits before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from services import Services
from support.documents import run
from support.kits.plan_kit import Deployed, Files, deployed

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("plan"),
]

CATEGORY = """\
  - belongs_to: category
    column: category_id
    table: categories
    primary_key: id
    fields:
      - keyword: slug
        required: true
"""
TAGS = """\
version: 1
table: tags
primary_key: id
fields:
  - keyword: label
    required: true
"""
Change = tuple[str, str, str | None, str | None, bool]
"""Path, attribute, before, after, and whether it rebuilds."""


@dataclass(frozen=True)
class Edit:
    """An edit of the files, and the heart of what has to be announced."""

    edit: Callable[[Files], None]
    actions: Mapping[str, str]
    """Index -> action, of those that do not stay as they are."""
    changes: tuple[Change, ...] = ()
    """Of all indexes together."""
    database: str = ""
    """SQL that goes with it."""
    notes: str = ""
    """Text of a note of some index."""


def schema(index: str, before: str, after: str) -> Callable[[Files], None]:
    return lambda files: files.replace(index, before, after)


def add(index: str, field: str) -> Callable[[Files], None]:
    return schema(index, "fields:\n  - integer: id\n", f"fields:\n{field}  - integer: id\n")


def options(index: str, lines: str) -> Callable[[Files], None]:
    return lambda files: files.options.update({index: lines})


def new_index(files: Files) -> None:
    files.schemas["tags"] = TAGS


def more_shards(files: Files) -> None:
    files.shards = 2


def describe(files: Files) -> None:
    files.replace(
        "products",
        "  - text: description\n",
        "  - text: description\n    description: What it is.\n",
    )


EDITS = {
    "a field is added": Edit(
        add("users", "  - keyword: level\n    column: tier\n    required: true\n"),
        {"users": "rebuild"},
        (("level", "", None, "keyword", True),),
    ),
    "a field gets another type": Edit(
        schema("products", "- keyword: sku", "- text: sku"),
        {"products": "rebuild"},
        (
            ("sku", "type", "keyword", "text", True),
            ("sku", "opensearch", "keyword", "text", True),
        ),
    ),
    "a filter is changed": Edit(
        schema("users", "value: cancelled", "value: pending"),
        {"users": "rebuild"},
        (("orders", "filters", "status neq cancelled", "status neq pending", True),),
    ),
    "order and limit are changed": Edit(
        schema(
            "users",
            "    order_by: [{ column: id, direction: asc }]\n",
            "    order_by: [{ column: id, direction: desc }]\n    limit: 1\n",
        ),
        {"users": "rebuild"},
        (
            ("addresses", "order_by", "id asc", "id desc", True),
            ("addresses", "limit", None, "1", True),
        ),
    ),
    "a relation is added": Edit(
        add("products", CATEGORY),
        {"products": "rebuild"},
        (("category", "", None, "belongs_to of public.categories", True),),
    ),
    "an index is disabled": Edit(options("orders", "enabled = false\n"), {"orders": "remove"}),
    "an index is added": Edit(new_index, {"tags": "create"}),
    "what happens to poison documents is changed": Edit(
        options("users", 'on_error = "skip"\nquarantine_limit = 5\n'),
        {"users": "update"},
        (
            ("", "on_error", "stop", "skip", False),
            ("", "quarantine_limit", "1000", "5", False),
        ),
    ),
    "an analyzer is changed": Edit(
        schema(
            "products",
            "  - text: name\n",
            "  - text: name\n    options: { analyzer: whitespace }\n",
        ),
        {"products": "rebuild"},
        (("name", "options", None, '{"analyzer": "whitespace"}', True),),
    ),
    "a setting of the sink is changed": Edit(
        more_shards,
        {},
        notes="number_of_shards of sink primary, 1 -> 2, holds for the next generation: `flusso reindex ",
    ),
    "a table is renamed": Edit(
        schema("users", "    table: addresses\n", "    table: places\n"),
        {"users": "rebuild"},
        (("addresses", "table", "public.addresses", "public.places", True),),
        database="ALTER TABLE addresses RENAME TO places",
    ),
    "a description is added": Edit(
        describe,
        {"products": "update"},
        (("description", "description", None, "What it is.", False),),
    ),
}


@pytest.fixture(scope="module")
def running(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A deployment, after its first start went as announced."""
    with deployed(services, tmp_path_factory.mktemp("plan")) as made:
        made.write()
        happens_as_announced(made, {"orders": "create", "products": "create", "users": "create"})
        yield made
        made.pipeline.stop()


def happens_as_announced(made: Deployed, actions: Mapping[str, str]) -> dict[str, Any]:
    """Plan, deploy, and compare; returns what was announced."""
    before = made.state()
    code, announced = made.plan()
    assert made.state() == before, "planning changes nothing"
    acting = {
        item["index"]: item["action"]
        for item in announced["indexes"]
        if item["action"] not in ("keep", "leave")
    }
    assert acting == actions
    if not actions:
        assert code == 0
        assert not announced["statements"]
    else:
        assert code == 2
    expected = made.after(announced, before)
    made.deploy()
    assert made.state() == expected
    ran = [item["sql"] for item in announced["statements"] if "SELECT" not in item["sql"]]
    assert made.statements() == ran
    assert made.rows_read() == {
        item["table"]: item["rows"]["number"] for item in announced["readings"]
    }
    for item in announced["indexes"]:
        if item["action"] in ("create", "rebuild"):
            assert item["rows"] == {"number": made.count(item["table"]), "counted": True}
            assert made.built(item["index"]) >= made.documents(item["index"]) > 0
        elif item["action"] != "update":
            assert made.built(item["index"]) == 0
    return announced


@pytest.mark.parametrize("name", EDITS)
def test_what_is_announced_happens(running: Deployed, name: str) -> None:
    edit = EDITS[name]
    edit.edit(running.files)
    if edit.database:
        run(running.site.database_url, edit.database)
    running.write()
    announced = happens_as_announced(running, edit.actions)
    found = [
        (item["path"], item["attribute"], item["before"], item["after"], item["rebuilds"])
        for index in announced["indexes"]
        for item in index["changes"]
    ]
    assert found == list(edit.changes)
    notes = [note for index in announced["indexes"] for note in index["notes"]]
    assert edit.notes in "\n".join(notes)
