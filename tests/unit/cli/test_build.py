"""`flusso build`: needs no environment and no server, and is the same to the byte."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.commands import run_command

ROOT = Path(__file__).parents[3]


def build(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return run_command(folder, env or {}, "flusso", "build", *arguments)


def test_it_compiles_the_dev_store_without_an_environment(tmp_path: Path) -> None:
    config = str(ROOT / "dev" / "flusso.toml")
    done = build(tmp_path, "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "\u2713 compiled 3 indexes \u2192 flusso.lock\n"
    lock = json.loads((tmp_path / "flusso.lock").read_text())
    hashes = {plan["name"]: plan["hash"] for plan in lock["indexes"]}
    assert sorted(hashes) == ["orders", "products", "users"]
    assert all(len(item) == 8 and int(item, 16) >= 0 for item in hashes.values())
    first = (tmp_path / "flusso.lock").read_bytes()
    assert build(tmp_path, "-c", config, "--out", "again.lock").returncode == 0
    assert (tmp_path / "again.lock").read_bytes() == first


def test_the_environment_names_both_files(tmp_path: Path) -> None:
    config = str(ROOT / "dev" / "flusso.toml")
    done = build(tmp_path, env={"FLUSSO_CONFIG": config, "FLUSSO_OUT": "x.lock"})
    assert done.returncode == 0
    assert (tmp_path / "x.lock").exists()


def test_references_to_the_environment_stay_references(tmp_path: Path) -> None:
    text = '[source]\ntype = "postgres"\nconnection_url = { env = "MY_DATABASE" }\n'
    (tmp_path / "flusso.toml").write_text(text)
    assert build(tmp_path).returncode == 0
    lock = json.loads((tmp_path / "flusso.lock").read_text())
    assert lock["config"]["source"]["connection_url"] == {"env": "MY_DATABASE"}


@pytest.mark.parametrize("arguments", [(), ("--config", "other.toml")])
def test_a_missing_configuration_leaves_the_lock_alone(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "flusso.lock").write_text("mine")
    done = build(tmp_path, *arguments)
    assert done.returncode == 1
    assert "there is no configuration" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "flusso.lock").read_text() == "mine"


BROKEN = {
    "flusso.toml": """\
[source]
type = "postgres"
prefx = ""

[[index]]
name = "users"
schema = "users.schema.yml"

[[index]]
name = "orders"
schema = "orders.schema.yml"

[[index]]
name = "gone"
schema = "gone.schema.yml"
""",
    "users.schema.yml": "table: users\nfields:\n  - texd: name\n",
    "orders.schema.yml": "table: orders\nfields:\n  - text: a\n    colum: b\n  - text: a\n",
}
PLACES = [
    ("flusso.toml", 3, 1),
    ("users.schema.yml", 3, 5),
    ("orders.schema.yml", 4, 5),
    ("orders.schema.yml", 5, 5),
    ("flusso.toml", 15, 1),
]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_all_errors_of_all_files_are_reported_at_once(broken: Path) -> None:
    done = build(broken)
    assert (done.returncode, done.stdout) == (1, "")
    at = 0
    for name, line, column in PLACES:
        at = done.stderr.index(f"{name}:{line}:{column}: ", at)
    assert not (broken / "flusso.lock").exists()


def test_errors_are_reported_as_json_too(broken: Path) -> None:
    done = build(broken, "--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert (report["passed"], report["lock"], report["indexes"]) == (False, None, None)
    assert [
        (item["file"], item["line"], item["column"]) for item in report["diagnostics"]
    ] == PLACES


def test_a_pull_request_shows_it_on_the_lines(broken: Path) -> None:
    done = build(broken, "--format", "sarif")
    assert (done.returncode, done.stderr) == (1, "")
    places = [
        item["locations"][0]["physicalLocation"]
        for item in json.loads(done.stdout)["runs"][0]["results"]
    ]
    assert [
        (
            place["artifactLocation"]["uri"],
            place["region"]["startLine"],
            place["region"]["startColumn"],
        )
        for place in places
    ] == PLACES


def test_success_is_reported_as_json_too(tmp_path: Path) -> None:
    config = str(ROOT / "dev" / "flusso.toml")
    report = json.loads(build(tmp_path, "-c", config, "--format", "json").stdout)
    assert (report["passed"], report["diagnostics"], report["lock"]) == (True, [], "flusso.lock")
    assert sorted(report["indexes"]) == ["orders", "products", "users"]
    sarif = json.loads(build(tmp_path, "-c", config, "--format", "sarif").stdout)
    assert sarif["runs"][0]["results"] == []
