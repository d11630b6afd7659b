"""The wheel of the query client: small, complete, and alone in an empty environment."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from support.stores.dev import ROOT

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("distribution")]

_USE = """
import sys
from flusso_query import Document, Keyword, Place, Root

class Users(Document, index="users", hash="1a2b3c4d"):
    email: str

email: Keyword[Root, str] = Keyword(Place("users"), "email")
print(email.eq("a@b.c").dsl(), Users.__binding__.alias())
print(sorted(name for name in sys.modules if name in ("flusso_shared", "psycopg", "confluent_kafka")))
"""


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT / "query"))
    [wheel] = folder.glob("flusso_query-*.whl")
    return wheel


def test_it_has_every_module_and_says_that_it_is_typed(wheel: Path) -> None:
    package = ROOT / "query" / "flusso_query"
    modules = {path.relative_to(ROOT / "query").as_posix() for path in package.rglob("*.py")}
    with zipfile.ZipFile(wheel) as files:
        names = {name for name in files.namelist() if ".dist-info" not in name}
    assert names == modules | {"flusso_query/py.typed"}


def test_it_requires_neither_capture_nor_worker(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        [name] = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        found = message_from_string(files.read(name).decode())
    always = [item for item in found.get_all("Requires-Dist") or [] if "extra ==" not in item]
    assert sorted(item.split(">=")[0] for item in always) == ["opensearch-py", "pydantic"]


def test_it_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place)
    python = str(place / "bin" / "python")
    pins = ["--constraint", str(ROOT / "constraints.txt")]
    pip("--python", python, "install", "--quiet", *pins, str(wheel))
    done = subprocess.run(
        [python, "-c", _USE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["{'term': {'email': 'a@b.c'}} users_1a2b3c4d", "[]"]
