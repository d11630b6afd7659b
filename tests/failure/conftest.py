"""The names and addresses that a failure test has for itself."""

from __future__ import annotations

import pytest

from services import Services
from support.processes import Site

QUICK = """
[queue.properties]
"session.timeout.ms" = 6000
"""
"""What a dead worker held is taken over soon."""


@pytest.fixture
def site(
    services: Services, database: str, slot_name: str, topic_prefix: str, index_prefix: str
) -> Site:
    """A fresh database, a slot, topics and indexes of its own."""
    return Site(
        database_url=database,
        kafka=services.kafka,
        opensearch_url=services.opensearch_url,
        slot=slot_name,
        topic_prefix=topic_prefix,
        index_prefix=index_prefix,
        more=QUICK,
    )
