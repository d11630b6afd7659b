"""The Helm chart, linted and rendered as `helm` does it."""

from __future__ import annotations

import copy
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from stacklib import helm
from stacklib.layout import cache_folder
from support.stores.dev import ROOT

CHART = ROOT / "deploy" / "helm" / "flusso"
KUBERNETES = "1.37.0"
RELEASE = "shop"

Object = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What one set of values gives."""

    objects: tuple[Object, ...]

    def of_kind(self, kind: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        """The object `<release>-flusso-<name>`, or `<release>-flusso` for an empty name."""
        full = f"{RELEASE}-flusso" + (f"-{name}" if name else "")
        [found] = [item for item in self.of_kind(kind) if item["metadata"]["name"] == full]
        return found

    def pods(self) -> Iterator[tuple[Object, Object]]:
        """Each object that makes pods, with the template of its pods."""
        for item in self.objects:
            if item["kind"] in ("StatefulSet", "Deployment", "Job"):
                yield item, item["spec"]["template"]


def values(*layers: Values) -> dict[str, Any]:
    """The least that the chart needs, and more on top of it."""
    dev = ROOT / "dev"
    base: dict[str, Any] = {
        "configuration": {
            "toml": (dev / "flusso.toml").read_text(),
            "schemas": {
                f"schemas/{path.name}": path.read_text()
                for path in sorted((dev / "schemas").glob("*.yml"))
            },
        },
        "existingSecret": "shop-flusso",
    }
    for layer in layers:
        _merge(base, layer)
    return base


def _merge(into: dict[str, Any], layer: Values) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


def render(given: Values, kubernetes: str = KUBERNETES) -> Rendered:
    """`helm template`; fails with its message."""
    done = _helm("template", given, RELEASE, "--namespace=search", f"--kube-version={kubernetes}")
    assert done.returncode == 0, done.stderr
    return Rendered(tuple(item for item in yaml.safe_load_all(done.stdout) if item))


def refusal(given: Values) -> str:
    """What `helm template` says of values that it refuses."""
    done = _helm("template", given, RELEASE, f"--kube-version={KUBERNETES}")
    assert done.returncode != 0, "the values were not refused"
    return done.stderr


def lint(given: Values) -> None:
    """`helm lint --strict`: a warning fails too."""
    done = _helm("lint", given, "--strict", f"--kube-version={KUBERNETES}")
    assert done.returncode == 0, done.stdout + done.stderr


def package(folder: Path) -> dict[str, str]:
    """The text of each file of `helm package`, by its path in the chart."""
    done = subprocess.run(
        [_program(), "package", str(CHART), "--destination", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [archive] = folder.glob("*.tgz")
    with tarfile.open(archive) as files:
        return {
            item.name.partition("/")[2]: file.read().decode()
            for item in files
            if (file := files.extractfile(item)) is not None
        }


def _helm(command: str, given: Values, *arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(dict(given), file)
        file.flush()
        flags = [item for item in arguments if item.startswith("--")]
        names = [item for item in arguments if not item.startswith("--")]
        return subprocess.run(
            [_program(), command, *names, str(CHART), "--values", file.name, *flags],
            capture_output=True,
            text=True,
            check=False,
        )


@cache
def _program() -> Path:
    return helm.fetch(cache_folder(os.environ))
