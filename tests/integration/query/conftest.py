"""OpenSearch of both lines, with documents that have one field of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services import Services
from support.kits.query_kit import QueryKit
from support.names import unique
from support.query.kinds import documents, plan
from support.servers.own_opensearch import own_opensearch_2


@pytest.fixture(scope="session", params=["run", "2.19"])
def opensearch_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The OpenSearch of the run, and one of the older line."""
    if request.param == "run":
        services: Services = request.getfixturevalue("services")
        yield services.opensearch_url
    else:
        with own_opensearch_2() as node:
            yield node.url


@pytest.fixture(scope="module")
def kinds(opensearch_url: str) -> Iterator[QueryKit]:
    """120 documents of `kinds.schema.yml`, and some of an index with the same fields."""
    kit = QueryKit(opensearch_url, unique("flusso_test_") + "_")
    try:
        kit.seed(plan(), documents(120))
        kit.seed(plan("others"), ({"id": number, "code": f"O-{number}"} for number in range(1, 6)))
        yield kit
    finally:
        kit.remove_all()
        kit.close()


@pytest.fixture
def alone(opensearch_url: str) -> Iterator[QueryKit]:
    """No index yet; what the test makes is removed."""
    kit = QueryKit(opensearch_url, unique("flusso_test_") + "_")
    try:
        yield kit
    finally:
        kit.remove_all()
        kit.close()
