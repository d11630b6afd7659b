"""The image, built once, and the containers of docker-compose.yml, started once for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacklib import engine
from support.servers import compose, docker_engine
from support.servers.compose import Compose
from support.servers.docker_engine import Images
from support.stores.dev import ROOT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the compose project come last: its servers need not run beside those of the others."""
    items.sort(key=lambda item: "stack" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def images() -> Images:
    """Both targets of the Dockerfile."""
    obstacle = engine.obstacle()
    if obstacle is not None:
        pytest.fail(f"the tests in containers could not run: {obstacle}", pytrace=False)
    found = Images()
    arguments = ["--build-arg", f"REVISION={found.revision}", "--build-arg", "CREATED=today"]
    docker_engine.build(found.flusso, *arguments, ".")
    docker_engine.build(found.demo, *arguments, "--target", "demo", ".")
    return found


@pytest.fixture(scope="session")
def stack(images: Images) -> Iterator[Compose]:
    """The servers with the example store, capture and one worker."""
    with compose.running(compose.project(images.flusso, images.demo)) as project:
        yield project


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A folder with the configuration of the example store, which the user of the image can read."""
    folder = tmp_path / "configuration"
    shutil.copytree(ROOT / "dev" / "schemas", folder / "schemas")
    shutil.copy(ROOT / "dev" / "flusso.toml", folder)
    docker_engine.make_readable(folder)
    return folder
