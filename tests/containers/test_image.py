"""What the image is and holds, and how its containers live; no server is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.servers import docker_engine
from support.servers.docker_engine import Container, Images, docker, run
from support.stores.dev import ROOT

pytestmark = pytest.mark.timeout(120)

_CONFINED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_ALONE = (*_CONFINED, "--network=none")
_COMMANDS = ("flusso", "flusso-capture", "flusso-worker")
_DEADLINE = 60.0


def inspected(image: str) -> Any:
    return json.loads(docker("image", "inspect", image))[0]["Config"]


@contextmanager
def serving(*options: str) -> Iterator[Container]:
    """A container of a process that serves, without any server in its reach; it stops cleanly at the end.

    `options` are those of `docker run`, the image and its arguments.
    """
    # The check of the image, more often.
    container = Container.start("--health-interval=1s", *_ALONE, *options)
    try:
        yield container
        assert container.stop() == 0, container.logs()
    finally:
        container.remove()


def test_the_labels_have_version_and_revision(images: Images) -> None:
    labels = inspected(images.flusso)["Labels"]
    assert {key.removeprefix("org.opencontainers.image."): labels[key] for key in labels} == {
        "title": "flusso-kafka",
        "description": "Keep OpenSearch documents in step with Postgres.",
        "licenses": "Apache-2.0",
        "version": images.version,
        "revision": images.revision,
        "created": "today",
    }


@pytest.mark.parametrize("command", _COMMANDS)
def test_each_command_prints_version_and_revision(images: Images, command: str) -> None:
    said = run(images.flusso, command, "--version", options=_ALONE)
    assert said == f"flusso {images.version} (revision {images.revision})\n"


def test_the_user_is_not_root_and_owns_nothing(images: Images) -> None:
    assert inspected(images.flusso)["User"] == "65532:65532"
    assert run(images.flusso, "id", "-u", options=_ALONE) == "65532\n"
    own = run(images.flusso, "find", "/app", "/opt", "-user", "65532", options=_ALONE)
    assert own == ""


def test_the_sbom_lists_what_is_installed(images: Images) -> None:
    program = (
        "import json; from importlib.metadata import distributions as d;"
        " print(json.dumps({i.name.lower().replace('_', '-'): i.version for i in d()}))"
    )
    installed = json.loads(run(images.flusso, "python", "-c", program, options=_ALONE))
    sbom = json.loads(run(images.flusso, "cat", "/app/sbom.cdx.json", options=_ALONE))
    assert sbom["bomFormat"] == "CycloneDX"
    components = [*sbom["components"], sbom["metadata"]["component"]]
    listed = {item["name"].lower().replace("_", "-"): item["version"] for item in components}
    assert listed == installed
    assert listed["flusso-kafka"] == images.version


def test_it_compiles_a_configuration_with_a_read_only_root(
    images: Images, configuration: Path
) -> None:
    mount = f"--volume={configuration}:/config:ro"
    said = run(
        images.flusso,
        "flusso",
        "build",
        "--config=/config/flusso.toml",
        "--out=/tmp/flusso.lock",
        options=(*_ALONE, mount),
    )
    assert "compiled 3 indexes" in said


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (("--entrypoint=flusso",), ("run",)),
        (("--entrypoint=flusso-capture",), ()),
        (("--entrypoint=flusso-worker",), ()),
        (("--entrypoint=flusso-worker", "--init"), ("--public-address", "[::]:9999")),
        (("--entrypoint=flusso", "-e=FLUSSO_PUBLIC_ADDRESS=127.0.0.1:8000"), ("run",)),
    ],
    ids=("run", "capture", "worker", "an address by option", "an address by variable"),
)
def test_a_process_that_waits_for_its_servers_is_healthy_and_not_ready(
    images: Images, configuration: Path, options: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    mount = f"--volume={configuration}:/config:ro"
    arguments = (*arguments, "--config=/config/flusso.toml")
    with serving(mount, *options, images.flusso, *arguments) as container:
        container.await_healthy(_DEADLINE)
        ready = docker_engine.attempt("exec", container.name, "flusso-healthcheck", "/readyz")
        assert ready.returncode == 1
        assert re.search(r"/readyz: 503 ", ready.stdout), ready


def test_the_health_check_fails_when_nothing_serves(images: Images) -> None:
    done = docker_engine.attempt(
        "run", "--rm", *_ALONE, "--entrypoint", "flusso-healthcheck", images.flusso
    )
    assert done.returncode == 1
    assert "0.0.0.0:9464/healthz: " in done.stderr


def test_the_demo_target_holds_the_configuration_of_the_example_store(images: Images) -> None:
    assert inspected(images.demo)["Labels"] == inspected(images.flusso)["Labels"]
    said = run(images.demo, "flusso", "build", "--out=/tmp/flusso.lock", options=_ALONE)
    assert "compiled 3 indexes" in said


def test_a_lock_is_baked_in_by_the_recipe(images: Images, configuration: Path) -> None:
    recipe = ROOT / "deploy" / "docker" / "lock.Dockerfile"
    tag = f"{images.flusso}-lock"
    docker_engine.build(
        tag,
        "--build-arg",
        f"FLUSSO_IMAGE={images.flusso}",
        "--file",
        str(recipe),
        str(configuration),
    )
    try:
        assert run(tag, "ls", "/app", options=_ALONE).split() == [
            "LICENSE",
            "flusso.lock",
            "sbom.cdx.json",
        ]
        with serving(tag) as container:
            container.await_healthy(_DEADLINE)
    finally:
        docker("image", "rm", tag)
