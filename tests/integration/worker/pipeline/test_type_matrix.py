"""Every type of Postgres and every awkward value through the whole pipeline into `_source` (fault-case 44).

Each document is accepted by OpenSearch and equals what Python makes of the row, or it is in the quarantine with its
reason; none stops its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from services import Services
from support import names, web
from support.expected import compare, matrix, matrix_types
from support.idle import Progress
from support.processes import cleaned_up, embedded_pipeline
from support.waiting import until_none

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("test_type_matrix"),
]

DEADLINE = 90.0

_OPTIONS = """
on_error = "skip"
quarantine_limit = 10000
"""


class Outcome:
    """What the pipeline has made of the rows."""

    def __init__(self, client: httpx.Client, prefix: str) -> None:
        self.documents = compare.read_index(client, f"{prefix}matrix") or {}
        kept = compare.read_index(client, f"{prefix}flusso_quarantine") or {}
        entries = [item for item in kept.values() if item["kind"] == "document"]
        self.reasons = {entry["id"]: entry["reason"] for entry in entries}
        built = {item["id"]: item["document"] for item in entries if item["document"] is not None}
        read = {key: matrix.parsed(text) for key, text in built.items()}
        self.refused = {key: document for key, document in read.items() if document is not None}


@pytest.fixture(scope="module")
def made() -> matrix.Matrix:
    return matrix_types.matrix()


@pytest.fixture(scope="module")
def ran(
    made: matrix.Matrix, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Outcome, str]]:
    """Half of the rows come by snapshot, half by the log, and a label of an enum while everything runs."""
    folder = tmp_path_factory.mktemp("matrix")
    with names.site(services) as found, web.client(found.opensearch_url) as client:
        site = found.with_schemas(folder, {"matrix": made.schema()}, _OPTIONS)
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute(matrix_types.TYPES)
            connection.execute(made.table().encode())
            made.insert(connection, range(0, len(made.cases), 2))
            with cleaned_up(embedded_pipeline(site, folder)) as pipeline:
                pipeline.start()
                alias = f"{site.index_prefix}matrix"
                until_none("live", lambda: _missing(client, alias, pipeline.check), DEADLINE)
                connection.execute("ALTER TYPE mood ADD VALUE 'new'")
                made.cases.append(matrix.Case("e", "new"))
                made.insert(connection, range(1, len(made.cases) - 1, 2))
                made.insert(connection, [len(made.cases) - 1])
                touch = "UPDATE matrix SET i2 = i2 WHERE id = 0"
                Progress(
                    site.database_url, site.slot, site.kafka, None, last_change=touch
                ).wait_until_idle(DEADLINE)
                pipeline.check()
                yield Outcome(client, site.index_prefix), site.database_url
                pipeline.stop()


def _missing(client: httpx.Client, alias: str, check: Any) -> str | None:
    check()
    return None if compare.generations(client, [alias]) else f"there is no alias {alias}"


def test_each_value_is_indexed_as_it_is(ran: tuple[Outcome, str], made: matrix.Matrix) -> None:
    outcome, url = ran
    fine = {str(at): case for at, case in enumerate(made.cases) if not case.refused}
    wanted = {"matrix": made.expected(url, fine)}
    found = compare.differences(wanted, {"matrix": outcome.documents})
    unknown = [f"{key}: {why}" for key, why in outcome.reasons.items() if key in fine]
    assert not found + unknown, "\n".join(found[:40] + unknown[:40])


def test_each_value_that_no_index_takes_is_in_quarantine_with_its_reason(
    ran: tuple[Outcome, str], made: matrix.Matrix
) -> None:
    outcome, url = ran
    bad = {str(at): case for at, case in enumerate(made.cases) if case.refused}
    wrong = [
        f"{case.column} {case.value[:40]!r}: {outcome.reasons.get(key)!r}"
        for key, case in bad.items()
        if case.refused not in outcome.reasons.get(key, "")
    ]
    assert not wrong, "\n".join(wrong)
    assert outcome.reasons.keys() == bad.keys()
    wanted = {"refused": made.expected(url, outcome.refused)}
    found = compare.differences(wanted, {"refused": outcome.refused})
    assert not found, "\n".join(found)
