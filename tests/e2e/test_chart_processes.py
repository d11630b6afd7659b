"""The commands, files and probes of the chart's pods work: each pod's process is started here as it would be there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from stacklib.ports import free_ports
from support import web
from support.deploy import chart
from support.deploy.chart import Object, Rendered
from support.processes import Daemon, Pipeline, Site, cleaned_up
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("built_helm"),
]

_DEADLINE = 120.0
_BIN = Path(sys.executable).parent
_MODES = {"kafka": ("StatefulSet capture", "Deployment worker"), "run": ("StatefulSet run",)}


@dataclass(frozen=True)
class Pod:
    """A pod's process with its volumes as folders of this machine."""

    container: Object
    command: list[str]
    environment: dict[str, str]

    def probe(self, name: str) -> str:
        """The URL that the kubelet would ask."""
        http = self.container[name]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        return f"http://127.0.0.1:{ports[http['port']]}{http['path']}"


def pod_of(item: Object, rendered: Rendered, site: Site, folder: Path) -> Pod:
    """Lay out the volumes in `folder`, and point the arguments there."""
    spec = item["spec"]["template"]["spec"]
    [container] = spec["containers"]
    mounted = {volume["name"]: folder / volume["name"] for volume in spec["volumes"]}
    for volume in spec["volumes"]:
        mounted[volume["name"]].mkdir()
        if "configMap" in volume:
            _write(volume["configMap"], rendered, mounted[volume["name"]])
    program: str = container["command"][0]
    rest: list[str] = [*container["command"][1:], *container["args"]]
    for mount in container["volumeMounts"]:
        place = f"{mounted[mount['name']]}/"
        rest = [argument.replace(f"={mount['mountPath']}/", f"={place}") for argument in rest]
    return Pod(
        container,
        [str(_BIN / program), *rest],
        # The Secret of `existingSecret` is the addresses of this site.
        site.environment() | {item["name"]: item["value"] for item in container["env"]},
    )


def _write(source: Mapping[str, Any], rendered: Rendered, folder: Path) -> None:
    [found] = [
        item for item in rendered.of_kind("ConfigMap") if item["metadata"]["name"] == source["name"]
    ]
    for entry in source["items"]:
        file = folder / entry["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found["data"][entry["key"]])


def values(mode: str, site: Site, folder: Path) -> dict[str, Any]:
    """The chart's values for this test's own names on the servers; the schemas are those of the dev store."""
    text = site.write_config(folder).read_text().replace(str(site.schemas), "schemas")
    return chart.values(
        {
            "mode": mode,
            "configuration": {"toml": text},
            "slot": site.slot,
            "publication": site.slot,
            "indexPrefix": site.index_prefix,
        }
    )


@pytest.mark.parametrize("mode", _MODES)
def test_the_processes_of_the_pods_answer_their_probes(
    mode: str, site: Site, tmp_path: Path
) -> None:
    store.load_store(site.database_url)
    pods: dict[str, Pod] = {}
    for name in ("Job check", *_MODES[mode]):
        kind, component = name.split()
        folder = tmp_path / component
        folder.mkdir()
        # Pods have the same ports, and addresses of their own.
        public, private = free_ports(2)
        rendered = chart.render(
            values(mode, site, folder)
            | {"http": {"host": "127.0.0.1", "port": public, "private": {"port": private}}}
        )
        pods[component] = pod_of(rendered.one(kind, component), rendered, site, folder)

    check = pods.pop("check")
    done = subprocess.run(
        check.command, env=check.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    daemons = [
        Daemon(name, pod.command, pod.environment, tmp_path / f"{name}.log")
        for name, pod in pods.items()
    ]
    with cleaned_up(Pipeline(daemons)) as pipeline:
        pipeline.start()
        for pod in pods.values():
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                _await_success(pipeline, pod.probe(probe))
        pipeline.stop()


def _await_success(pipeline: Pipeline, url: str) -> None:
    def missing() -> str | None:
        pipeline.check()
        try:
            code = web.get(url).status_code
        except httpx.TransportError as error:
            return str(error)
        return None if code == httpx.codes.OK else f"{code}"

    until_none(f"{url} answers", missing, _DEADLINE)
