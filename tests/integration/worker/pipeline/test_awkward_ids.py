"""Documents with awkward ids through the whole pipeline (fault-case 48): made, followed, deleted, or in quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from services import Services
from support.expected.matrix import set_traps
from support.kits.schema_pipeline import QUEUES, SchemaPipeline, schema_pipeline

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

_TABLES = """
CREATE EXTENSION citext;
CREATE TABLE texts (key text PRIMARY KEY, note int NOT NULL);
CREATE TABLE parts (id int PRIMARY KEY, ref text, host inet, word citext);
CREATE TABLE hosts (key inet PRIMARY KEY, note int NOT NULL);
CREATE TABLE words (key citext PRIMARY KEY, note int NOT NULL);
"""
_FIELDS = """
fields:
  - integer: note
  - count: parts
    table: parts
    foreign_key: {link}
"""
_LINKS = {"texts": "ref", "hosts": "host", "words": "word"}
_TEXTS = ("a/b c", "_x", "\U0001f600", 'q"u\\o', "%2F?#", "..", "n\nl", "NULL", "x" * 512)
_IMPOSSIBLE = ("", "x" * 513)
_HOSTS = ("10.0.0.1", "10.0.0.1/24", "::1", "2001:db8::/32")
_WORDS = ("abc", "Straße")


@dataclass
class Scene:
    """The three tables under a pipeline that runs."""

    running: SchemaPipeline

    def edit(self, statement: str, *params: object) -> None:
        with psycopg.connect(self.running.site.database_url, autocommit=True) as connection:
            connection.execute(statement.encode(), params)

    def documents(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Per index: id -> (note, parts)."""
        return {
            name: {key: (item["note"], item["parts"]) for key, item in found.items()}
            for name, found in self.running.read_all().items()
        }

    def quarantined(self) -> set[str]:
        kept = self.running.read("flusso_quarantine")
        return {item["id"] for item in kept.values() if item["kind"] == "document"}


def create(url: str) -> None:
    set_traps(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLES)
        for table, keys in {"texts": _TEXTS + _IMPOSSIBLE, "hosts": _HOSTS}.items():
            for key in keys:
                connection.execute(f"INSERT INTO {table} VALUES (%s, 0)".encode(), (key,))


@pytest.fixture(params=QUEUES)
def scene(request: pytest.FixtureRequest, services: Services, tmp_path: Path) -> Iterator[Scene]:
    schemas = {
        name: f"table: {name}\nprimary_key: key\n{_FIELDS.format(link=link)}"
        for name, link in _LINKS.items()
    }
    touch = "INSERT INTO parts VALUES (0) ON CONFLICT (id) DO UPDATE SET ref = NULL"
    skip = 'on_error = "skip"\n'
    with schema_pipeline(
        services, tmp_path, request.param, schemas, create, touch, options=skip
    ) as made:
        yield Scene(made)


def test_an_awkward_id_is_one_document_from_first_to_last(scene: Scene) -> None:
    assert scene.documents() == _all(0, 0) | {"words": {}}
    for key in _WORDS:
        scene.edit("INSERT INTO words VALUES (%s, 0)", key)
    for table in _LINKS:
        scene.edit(f"UPDATE {table} SET note = 1")
    assert scene.documents() == _all(1, 0)
    for at, (table, link) in enumerate(_LINKS.items(), 1):
        rows = f"SELECT {at} * 100 + row_number() OVER (), key FROM {table}"
        scene.edit(f"INSERT INTO parts (id, {link}) {rows}")
    assert scene.documents() == _all(1, 1)
    assert scene.quarantined() == set(_IMPOSSIBLE)
    # Equal to what stood there, and written in another way: another document.
    scene.edit("UPDATE words SET key = 'ABC' WHERE key = 'abc'")
    assert set(scene.documents()["words"]) == {"ABC", "Straße"}
    scene.edit("DELETE FROM parts WHERE id > 0")
    assert set(scene.documents()["words"].values()) == {(1, 0)}
    for table in _LINKS:
        scene.edit(f"DELETE FROM {table}")
    assert scene.documents() == {name: {} for name in _LINKS}
    assert scene.quarantined() == set()


def _all(note: int, parts: int) -> dict[str, dict[str, tuple[int, int]]]:
    keys = {"texts": _TEXTS, "hosts": _HOSTS, "words": _WORDS}
    return {name: dict.fromkeys(given, (note, parts)) for name, given in keys.items()}
