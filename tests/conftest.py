"""Real servers for tests, and names on them that one test has for itself and leaves clean.

With `-n` the process that hands out the tests starts the servers, and the processes that run them find
their addresses in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id

from services import VARIABLES, Services, provided
from stacklib import axe, helm
from stacklib.layout import cache_folder
from support import names
from support.processes import Site
from support.waiting import patient

# The models of tests are of no configuration, also where `flusso run` has left a lock in the folder of the repository.
os.environ["FLUSSO_MODELS_CHECK"] = "off"

_WITHOUT_SERVERS = {Path(__file__).parent / name for name in ("unit", "deploy")}
_TIME_TO_CLEAN_UP = 30.0
"""Seconds until an interrupted process is killed; after 5 it is interrupted, and it ends what its test started."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start the servers for all processes, unless only tests that need none were asked for."""
    from xdist.workermanage import NodeManager  # type: ignore[import-untyped]

    # pyright takes the constant of an untyped library for final.
    node_manager: Any = NodeManager
    node_manager.EXIT_TIMEOUT = _TIME_TO_CLEAN_UP
    if all(_WITHOUT_SERVERS & {path, *path.parents} for path in map(_path, config.args)):
        return
    servers = ExitStack()
    config.add_cleanup(servers.close)
    found = servers.enter_context(provided())
    addresses = (found.postgres_url, found.kafka, found.opensearch_url)
    os.environ.update(zip(VARIABLES.values(), addresses, strict=True))


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the test the time that this machine may need."""
    mark = item.get_closest_marker("timeout")
    seconds = mark.args[0] if mark is not None else float(item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(patient(seconds)), append=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the group into the id of a test: pytest-xdist 3.8 does so in a way that pytest 9.2 does not see."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        if groups and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = coerce_node_id(f"{item.nodeid}@{'_'.join(groups)}")


def _path(argument: str) -> Path:
    """The file or folder of an argument, which may name a test in it."""
    return Path(argument.partition("::")[0]).resolve()


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """The three servers; see `services.py` for where they come from."""
    with provided() as found:
        yield found


@pytest.fixture(scope="session")
def built_helm() -> Path:
    """The path of `helm`, built before the time limit of a test begins."""
    return helm.fetch(cache_folder(os.environ))


@pytest.fixture(scope="session")
def axe_core() -> Path:
    """The script of axe-core, fetched before the time limit of a test begins."""
    return axe.fetch(cache_folder(os.environ))


@pytest.fixture
def database(services: Services) -> Iterator[str]:
    """The URL of a fresh, empty database; it is dropped with its slots at the end."""
    with names.database(services) as url:
        yield url


@pytest.fixture
def slot_name() -> str:
    """A slot name that no other test has.  The slot goes with its database."""
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


@pytest.fixture
def site(
    services: Services, database: str, slot_name: str, topic_prefix: str, index_prefix: str
) -> Site:
    """All of it: a fresh database, a slot, topics and indexes of its own."""
    return Site(
        database_url=database,
        kafka=services.kafka,
        opensearch_url=services.opensearch_url,
        slot=slot_name,
        topic_prefix=topic_prefix,
        index_prefix=index_prefix,
    )
