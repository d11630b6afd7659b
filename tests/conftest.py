"""Real servers for tests, and names on them that one test has for itself and leaves clean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services import Services, provided
from support import names


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """The three servers; see `services.py` for where they come from."""
    with provided() as found:
        yield found


@pytest.fixture
def database(services: Services) -> Iterator[str]:
    """The URL of a fresh, empty database; it is dropped with its slots at the end."""
    with names.database(services) as url:
        yield url


@pytest.fixture
def slot_name() -> str:
    """A slot name that nobody else has.  The slot goes with its database."""
    return names.slot_name()


@pytest.fixture
def topic_prefix(services: Services) -> Iterator[str]:
    """A prefix for topics and consumer groups; what starts with it is deleted at the end."""
    with names.topic_prefix(services) as prefix:
        yield prefix


@pytest.fixture
def index_prefix(services: Services) -> Iterator[str]:
    """A prefix for indexes and aliases; what starts with it is deleted at the end."""
    with names.index_prefix(services) as prefix:
        yield prefix
