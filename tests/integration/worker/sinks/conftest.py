from __future__ import annotations

from collections.abc import Iterator

import pytest

from services import Services
from support.kits.index_kit import IndexKit


@pytest.fixture
def index(services: Services, index_prefix: str) -> Iterator[IndexKit]:
    """An index of its own, without documents."""
    made = IndexKit(services.opensearch_url, index_prefix)
    made.create()
    yield made
    made.close()
