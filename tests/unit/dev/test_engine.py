"""What keeps containers from being tried is named in one line; missing images are pulled."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from stacklib import checks, engine
from stacklib.problem import Problem

FakeDocker = Callable[[str], None]


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """Puts a `docker` first on PATH that answers as the text, a shell script, says."""

    def put(script: str) -> None:
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


def test_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert engine.obstacle() == "there is no `docker` command"


def test_no_engine(fake_docker: FakeDocker) -> None:
    fake_docker("echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    assert engine.obstacle() == "no Docker engine answers: Cannot connect to the Docker daemon"


def test_no_compose(fake_docker: FakeDocker) -> None:
    fake_docker("[ $1 != compose ]")
    assert engine.obstacle() == "the `docker` command has no `compose`"


def test_an_image_that_cannot_be_pulled_is_named(fake_docker: FakeDocker) -> None:
    fake_docker(
        "case $* in 'image inspect postgres:17') exit 1;; pull*) echo 'no route' >&2; exit 1;; esac"
    )
    assert engine.obstacle() == ("the image postgres:17 is missing, and cannot be pulled: no route")


def test_what_is_missing_is_pulled(fake_docker: FakeDocker, tmp_path: Path) -> None:
    fake_docker("[ $1 != image ]")
    assert engine.obstacle() is None
    asked = (tmp_path / "asked").read_text().splitlines()
    pulled = [line.removeprefix("pull --quiet ") for line in asked if line.startswith("pull")]
    assert pulled == list(engine.IMAGES)


def options(*names: str) -> argparse.Namespace:
    return checks._parser().parse_args([f"--{name}" for name in names])


def test_without_containers_the_other_checks_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    titles = [check.title for check in checks._checks(options(), [], Path("bin"))]
    assert titles[-1] == "pytest: servers"
    assert capsys.readouterr().out == (
        "--- pytest: docker is left out: there is no `docker` command\n"
    )


def test_containers_that_were_asked_for_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Problem, match="there is no `docker` command"):
        checks._checks(options("docker"), [], Path("bin"))


def test_containers_come_last(fake_docker: FakeDocker) -> None:
    fake_docker("exit 0")
    everything = [check.title for check in checks._checks(options(), [], Path("bin"))]
    assert everything[-2:] == ["pytest: servers", "pytest: docker"]
    alone = checks._checks(options("docker"), [], Path("bin"))
    assert [check.command[-1] for check in alone] == ["tests/containers"]
