"""Data models that people have, end to end: every document after every kind of change.

One pipeline per queue keeps all of them, and is compared with their oracles after each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from services import Services
from support import names
from support.expected import oracle
from support.processes import Pipeline, Site
from support.scenario import Scenario
from support.stores.models import MODELS

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
SCHEMAS = {name: text for model in MODELS for name, text in model.schemas.items()}


class Models(Scenario):
    """All of them in one database."""

    def __init__(self, site: Site, pipeline: Pipeline, embedded: bool) -> None:
        super().__init__(site, pipeline, embedded)
        last = "UPDATE ops.airports SET city = city WHERE code = 'A1'"
        self._progress = replace(self._progress, last_change=last)

    def _expected(self) -> dict[str, oracle.Documents]:
        found: dict[str, oracle.Documents] = {}
        with psycopg.connect(self.site.database_url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for model in MODELS:
                found |= model.expected(model.read(connection))
        return found


@pytest.fixture(params=["kafka, 2 workers", "flusso run"])
def scenario(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scenario]:
    """A pipeline that runs and is seeded."""
    folder = tmp_path_factory.mktemp("models")
    for name, text in SCHEMAS.items():
        (folder / f"{name}.schema.yml").write_text(text)
    with names.site(services) as found:
        site = replace(found, schemas=folder, indexes=tuple(SCHEMAS), partitions=2)
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            for model in MODELS:
                connection.execute(model.ddl.encode())
                connection.execute(model.rows.encode())
        made = Models.over(request.param, site, folder)
        with made.running():
            made.wait_until_live(DEADLINE)
            yield made


def test_every_document_follows_every_change(scenario: Scenario) -> None:
    scenario.assert_equal(DEADLINE)
    assert all(scenario.read(index) for index in SCHEMAS)
    for model in MODELS:
        scenario.assert_follows(model.steps, DEADLINE)
