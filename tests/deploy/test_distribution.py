"""The wheel: built from this working copy, installed into an empty environment, and used from outside the clone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from support.stores.dev import ROOT

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("distribution")]

_REVISION = "0123456789abcdef0123456789abcdef01234567"
_SOURCE = "https://git.example/shop/flusso"
_COMMANDS = ("flusso", "flusso-capture", "flusso-worker")
_LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)[^)\s]*\)")
_DOCUMENTATION = Path("share/doc/flusso-kafka")


def build(folder: Path, **environment: str) -> Path:
    """The wheel, with what the environment of its build says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLUSSO_")}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    done = subprocess.run(
        [*command, str(folder), str(ROOT)],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = folder.glob("flusso_kafka-*.whl")
    return wheel


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        [name] = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(files.read(name).decode())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), FLUSSO_REVISION=_REVISION)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel and what it requires, at the pinned versions."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(place)
    # pip of this environment installs into that one, which has none.
    install = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install"]
    pins = ["--constraint", str(ROOT / "constraints.txt")]
    done = subprocess.run(
        [*install, "--quiet", *pins, str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def run(environment: Path, folder: Path, *command: str) -> str:
    """One command of the environment, in a folder that is no clone."""
    done = subprocess.run(
        [environment / "bin" / command[0], *command[1:]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", _COMMANDS)
def test_each_command_runs_outside_the_clone(
    environment: Path, tmp_path: Path, command: str
) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    said = run(environment, tmp_path, command, "--version")
    assert said == f"flusso {version} (revision {_REVISION})\n"
    assert "--help" in run(environment, tmp_path, command, "--help")


def test_it_compiles_a_configuration_and_prints_the_shipped_schemas(
    environment: Path, tmp_path: Path
) -> None:
    config = f"--config={ROOT / 'dev' / 'flusso.toml'}"
    assert "3 indexes" in run(environment, tmp_path, "flusso", "build", config)
    assert '"$schema"' in run(environment, tmp_path, "flusso", "schema", "config")


def test_it_has_every_file_of_the_status_page(wheel: Path) -> None:
    folder = Path("flusso_shared/process/page/static")
    files = {str(folder / path.name) for path in (ROOT / "shared" / folder).iterdir()}
    with zipfile.ZipFile(wheel) as packed:
        assert files <= set(packed.namelist())


def linked(page: Path) -> Iterator[Path]:
    for target in _LINK.findall(page.read_text()):
        yield page.parent / target


def test_the_installed_documentation_links_to_installed_files(environment: Path) -> None:
    pages = sorted((environment / _DOCUMENTATION).rglob("*.md"))
    assert {"README.md", "CHANGELOG.md", "schema.md", "operations.md"} <= {p.name for p in pages}
    missing = [f"{page}: {to}" for page in pages for to in linked(page) if not to.exists()]
    assert missing == []


def test_pages_that_messages_name_are_installed(environment: Path) -> None:
    product = [path for name in ("shared", "cli") for path in (ROOT / name).rglob("*.py")]
    named = {name for path in product for name in re.findall(r"docs/[\w-]+\.md", path.read_text())}
    assert named
    assert [name for name in named if not (environment / _DOCUMENTATION / name).exists()] == []


def test_the_description_has_no_link_that_leads_nowhere(wheel: Path) -> None:
    found = metadata(wheel)
    text = str(found.get_payload())
    assert _LINK.findall(text) == []
    assert "docs/operations.md" in text
    assert str(_DOCUMENTATION) in text
    assert found.get_all("Project-URL") is None


def test_a_published_build_links_to_the_repository(tmp_path: Path) -> None:
    found = metadata(build(tmp_path, FLUSSO_SOURCE_URL=_SOURCE))
    text = str(found.get_payload())
    assert f"]({_SOURCE}/blob/HEAD/docs/operations.md)" in text
    assert _LINK.findall(text) == []
    urls = dict(entry.split(", ") for entry in found.get_all("Project-URL") or [])
    assert urls["Source"] == _SOURCE
    assert urls["Changelog"] == f"{_SOURCE}/blob/HEAD/CHANGELOG.md"
