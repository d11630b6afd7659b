"""What the schema language has beyond its model, end to end: every document after every kind of change.

One pipeline per queue lives through all of it, and is compared with the oracle after each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from services import Services
from support import names
from support.expected import oracle
from support.processes import Pipeline, Site
from support.scenario import Scenario
from support.stores import language as language_store

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0

STEPS = {
    "the column that names a document changes": ["UPDATE accounts SET iban = 'B1' WHERE id = 1"],
    "two documents swap their names": [
        "UPDATE accounts SET iban = 'tmp' WHERE id = 2",
        "UPDATE accounts SET iban = 'A2' WHERE id = 3",
        "UPDATE accounts SET iban = 'A3' WHERE id = 2",
    ],
    "a name is taken away, and another given": [
        "UPDATE accounts SET iban = NULL WHERE id = 4",
        "UPDATE accounts SET iban = 'A5' WHERE id = 5",
    ],
    "a document's row is deleted": ["DELETE FROM accounts WHERE id = 6"],
    "a row with a name that is free again": [
        "INSERT INTO accounts VALUES (106, 'A6', 1, 'no', 2, '{\"limits\": []}')"
    ],
    "a child moves by the referenced column": [
        "UPDATE ledger.entries SET iban = 'A9' WHERE iban = 'A8'",
        "UPDATE ledger.entries SET iban = NULL WHERE id = 10",
        "UPDATE ledger.entries SET amount = 5000, kind = NULL WHERE id = 20",
    ],
    "children are deleted": ["DELETE FROM ledger.entries WHERE id % 7 = 0"],
    "values inside json change": [
        "UPDATE accounts SET data = jsonb_set(data, '{limits,1}', '7') WHERE id = 10",
        "UPDATE accounts SET data = data - 'open' - 'limits' WHERE id = 11",
        "UPDATE accounts SET data = NULL WHERE id = 12",
    ],
    "a junction row comes, moves and goes": [
        "INSERT INTO ledger.mandates VALUES ('A14', 12, '2024-05-05')",
        "UPDATE ledger.mandates SET iban = 'A15' WHERE iban = 'A14' AND person_id = 12",
        "DELETE FROM ledger.mandates WHERE person_id = 1",
    ],
    "the row at both ends of a self reference changes": [
        "UPDATE \"Kind People\" SET name = 'renamed' WHERE id = 3",
        'UPDATE "Kind People" SET mentor_id = 3 WHERE id IN (1, 12)',
        'UPDATE "Kind People" SET mentor_id = id WHERE id = 7',
        'DELETE FROM "Kind People" WHERE id = 2',
    ],
    "keys of several columns change": [
        "UPDATE branches SET number = 40 WHERE number = 4",
        "UPDATE accounts SET branch_country = 'se', branch_number = 1 WHERE id IN (13, 16)",
        "UPDATE accounts SET branch_number = NULL WHERE id = 17",
        "DELETE FROM branches WHERE number = 3",
    ],
    "related tables are truncated": ["TRUNCATE ledger.entries, ledger.mandates"],
    "the documents' own table is truncated": ["TRUNCATE accounts"],
}


class Bank(Scenario):
    """The bank store."""

    def __init__(self, site: Site, pipeline: Pipeline, embedded: bool) -> None:
        super().__init__(site, pipeline, embedded)
        self._progress = replace(self._progress, last_change=language_store.LAST_CHANGE)

    def _expected(self) -> dict[str, oracle.Documents]:
        return language_store.expected(self.site.database_url)


@pytest.fixture(params=["kafka, 2 workers", "flusso run"])
def scenario(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scenario]:
    """A pipeline that runs and is seeded."""
    folder = tmp_path_factory.mktemp("bank")
    language_store.write_schemas(folder)
    with names.site(services) as found:
        site = Site(
            **{**vars(found), "schemas": folder, "indexes": language_store.INDEXES, "partitions": 2}
        )
        language_store.create(site.database_url)
        made = Bank.over(request.param, site, folder)
        with made.running():
            made.wait_until_live(DEADLINE)
            yield made


def test_every_document_follows_every_change(scenario: Scenario) -> None:
    scenario.assert_equal(DEADLINE)
    assert len(scenario.read("accounts")) == 19
    scenario.assert_follows(STEPS, DEADLINE)
    assert scenario.read("accounts") == {}
