"""The chart's pods as containers of the image: their commands, users, read-only roots, mounts and probes.

`tests/e2e/test_chart_processes.py` tries the same commands as processes, where there is no Docker engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import names, web
from support.deploy import chart
from support.deploy.chart import Object, Rendered
from support.processes import Site
from support.servers import docker_engine
from support.servers.compose import Compose
from support.servers.docker_engine import Container, Images
from support.stores import dev as store
from support.stores.dev import ROOT
from support.waiting import until_none

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("built_helm")]

_DEADLINE = 120.0
_MODES = {"kafka": ("StatefulSet capture", "Deployment worker"), "run": ("StatefulSet run",)}


@dataclass(frozen=True)
class Pod:
    """The one container of a pod, and how the kubelet would start it."""

    container: Object
    options: tuple[str, ...]

    @classmethod
    def of(cls, item: Object, rendered: Rendered, folder: Path) -> Pod:
        """Lay out the volumes below `folder`."""
        spec = item["spec"]["template"]["spec"]
        [container] = spec["containers"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = [
            _mount(mount, volumes[mount["name"]], rendered, folder)
            for mount in container["volumeMounts"]
        ]
        environment = [f"--env={entry['name']}={entry['value']}" for entry in container["env"]]
        ports = [f"--publish=127.0.0.1::{port['containerPort']}" for port in _ports(container)]
        return cls(container, (*_confinement(spec, container), *mounts, *environment, *ports))

    @property
    def command(self) -> tuple[str, ...]:
        """The arguments of `docker run` from the image on."""
        program, *rest = self.container["command"]
        return (f"--entrypoint={program}", self.container["image"], *rest, *self.container["args"])


def _ports(container: Object) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = container.get("ports", [])
    return found


def _confinement(spec: Object, container: Object) -> list[str]:
    """The two security contexts, which have to say all of this."""
    pod, own = spec["securityContext"], container["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    return [
        f"--user={pod['runAsUser']}:{pod['runAsGroup']}",
        "--read-only",
        "--security-opt=no-new-privileges",
        *(f"--cap-drop={name}" for name in own["capabilities"]["drop"]),
        f"--memory={container['resources']['limits']['memory'].removesuffix('i').lower()}",
    ]


def _mount(mount: Object, volume: Object, rendered: Rendered, folder: Path) -> str:
    place = mount["mountPath"]
    if "emptyDir" in volume:
        return f"--tmpfs={place}:size={volume['emptyDir']['sizeLimit'].removesuffix('i').lower()}"
    source = volume["configMap"]
    [found] = [
        item for item in rendered.of_kind("ConfigMap") if item["metadata"]["name"] == source["name"]
    ]
    place_here = folder / source["name"]
    for entry in source["items"]:
        file = place_here / entry["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found["data"][entry["key"]])
    docker_engine.make_readable(place_here)
    return f"--volume={place_here}:{place}:ro"


@pytest.fixture
def site(stack: Compose) -> Iterator[Site]:
    """A database of its own on the servers of the compose project, with the example store."""
    with names.site(stack.services) as found:
        store.load_store(found.database_url)
        yield found


def as_containers_see_it(site: Site) -> list[str]:
    """The environment that the Secret of the chart would hold."""
    database = site.database_url.rpartition("/")[2]
    return [
        f"--env=DATABASE_URL=postgresql://postgres:postgres@postgres:5432/{database}",
        "--env=KAFKA_BOOTSTRAP_SERVERS=kafka:19092",
        "--env=PRIMARY_OPENSEARCH_URL=http://opensearch:9200",
    ]


@contextmanager
def baked(site: Site, images: Images, folder: Path) -> Iterator[str]:
    """An image with the configuration compiled in, by the recipe of the docs."""
    site.write_config(folder)
    (folder / "flusso.toml").write_text(_toml(site, folder))
    (folder / "schemas").mkdir()
    for path in site.schemas.iterdir():
        (folder / "schemas" / path.name).write_text(path.read_text())
    docker_engine.make_readable(folder)
    tag = f"{images.flusso}-baked"
    recipe = str(ROOT / "deploy" / "docker" / "lock.Dockerfile")
    docker_engine.build(
        tag, "--build-arg", f"FLUSSO_IMAGE={images.flusso}", "--file", recipe, str(folder)
    )
    try:
        yield tag
    finally:
        docker_engine.docker("image", "rm", tag)


def _toml(site: Site, folder: Path) -> str:
    return site.write_config(folder).read_text().replace(str(site.schemas), "schemas")


def values(mode: str, site: Site, image: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    repository, _, tag = image.rpartition(":")
    return chart.values(
        {
            "mode": mode,
            "image": {"repository": repository, "tag": tag},
            "configuration": configuration,
            "slot": site.slot,
            "publication": site.slot,
            "indexPrefix": site.index_prefix,
        }
    )


def try_pods(mode: str, given: Mapping[str, Any], stack: Compose, site: Site, folder: Path) -> None:
    """The Job ends with success; the other pods answer all of their probes, and stop cleanly."""
    rendered = chart.render(given)
    options = (f"--network={stack.network}", *as_containers_see_it(site))
    check = Pod.of(rendered.one("Job", "check"), rendered, folder)
    docker_engine.docker("run", "--rm", *options, *check.options, *check.command)

    started: list[tuple[Pod, Container]] = []
    try:
        for name in _MODES[mode]:
            pod = Pod.of(rendered.one(*_kind_and_name(name)), rendered, folder)
            started.append((pod, Container.start(*options, *pod.options, *pod.command)))
        for pod, container in started:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                _await_success(container, _url(pod, container, probe))
        for _, container in started:
            assert container.stop() == 0, container.logs()
    finally:
        for _, container in started:
            container.remove()


def _kind_and_name(text: str) -> tuple[str, str]:
    kind, name = text.split()
    return kind, name


def _url(pod: Pod, container: Container, probe: str) -> str:
    """What the kubelet asks, by the port's place on this machine."""
    http = pod.container[probe]["httpGet"]
    [port] = [
        item["containerPort"] for item in _ports(pod.container) if item["name"] == http["port"]
    ]
    return f"http://{container.address(port)}{http['path']}"


def _await_success(container: Container, url: str) -> None:
    def missing() -> str | None:
        assert container.inspect()["State"]["Running"], container.logs()
        try:
            code = web.get(url).status_code
        except httpx.TransportError as error:
            return str(error)
        return None if code == httpx.codes.OK else f"{code}"

    until_none(f"{url} answers", missing, _DEADLINE)


def test_capture_and_workers_from_files(
    stack: Compose, site: Site, images: Images, tmp_path: Path
) -> None:
    given = values("kafka", site, images.flusso, {"toml": _toml(site, tmp_path)})
    try_pods("kafka", given, stack, site, tmp_path)


def test_one_process_from_the_lock_in_its_image(
    stack: Compose, site: Site, images: Images, tmp_path: Path
) -> None:
    folder = tmp_path / "configuration"
    folder.mkdir()
    with baked(site, images, folder) as image:
        given = values("run", site, image, {})
        # Without the texts of the other kinds, which this one refuses.
        given["configuration"] = {"kind": "image"}
        try_pods("run", given, stack, site, tmp_path)
