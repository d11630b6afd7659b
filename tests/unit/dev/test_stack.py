"""The local servers' command says what is in the way, and what to do about it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stacklib import programs
from stacklib.daemon import Daemon, Launch
from stacklib.layout import ROOT, Layout
from stacklib.ports import free_ports, require_free
from stacklib.problem import Problem
from stacklib.stack import Stack

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def test_a_taken_port_is_named_with_its_owner_and_the_variable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        message = rf"(?s)Port {port}.*kafka.*taken.*FLUSSO_KAFKA_PORT"
        with pytest.raises(Problem, match=message):
            require_free("kafka", port, "FLUSSO_KAFKA_PORT")


def test_a_free_port_is_free() -> None:
    first, second = free_ports(2)
    assert first != second
    require_free("kafka", first, "FLUSSO_KAFKA_PORT")


def test_a_free_port_is_none_that_an_outgoing_connection_takes() -> None:
    assert all(port < 32_768 for port in free_ports(20))


def test_every_taken_port_is_told_at_once(tmp_path: Path) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as one,
        closing(socket.create_server(("127.0.0.1", 0))) as two,
    ):
        ports = {
            "postgres": one.getsockname()[1],
            "kafka": two.getsockname()[1],
            "opensearch": free_ports(1)[0],
        }
        layout = Layout(tmp_path, tmp_path / "cache", ports, with_store=False, brief=True)
        with pytest.raises(Problem) as caught:
            Stack(layout).up()
    assert "FLUSSO_POSTGRES_PORT" in str(caught.value)
    assert "FLUSSO_KAFKA_PORT" in str(caught.value)
    assert "FLUSSO_OPENSEARCH_PORT" not in str(caught.value)


def test_ports_come_from_the_environment() -> None:
    layout = Layout.of_repository({"FLUSSO_KAFKA_PORT": "19092", "XDG_CACHE_HOME": "/cache"})
    assert layout.ports == {"postgres": 5432, "kafka": 19092, "opensearch": 9200}
    assert layout.cache == Path("/cache/flusso-kafka")
    assert layout.folder == ROOT / ".dev"


@pytest.mark.parametrize("value", ["0", "65536", "abc", "-1", "1.5"])
def test_a_bad_port_is_refused(value: str) -> None:
    with pytest.raises(Problem, match="FLUSSO_KAFKA_PORT is"):
        Layout.of_repository({"FLUSSO_KAFKA_PORT": value})


def test_a_missing_program_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Problem, match="apt-get install -y maven"):
        programs.require_maven()


@pytest.mark.parametrize(
    ("require", "package"),
    [
        (lambda: programs.require_go((1, 24)), "golang-go"),
        (lambda: programs.require_prometheus("promtool"), "prometheus"),
        (programs.require_systemd_analyze, "systemd"),
    ],
)
def test_a_missing_program_of_the_tests_is_told_with_its_package(
    require: Callable[[], str], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(programs, "_GO_FOLDER", "/nonexistent")
    with pytest.raises(Problem, match=f"apt-get install -y {package}$"):
        require()


def test_a_go_that_is_too_old_is_told_with_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Problem, match=r"Go 1\.24 or newer .* go1\.19\.8"):
        programs.require_go((1, 24))


def test_a_process_is_found_again_and_stopped(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    started = daemon.start(Launch(SLEEPER, tmp_path), port=1234)
    assert Daemon(tmp_path).running() == started
    assert daemon.stop(signal.SIGTERM, grace=10)
    assert daemon.running() is None
    assert not daemon.stop(signal.SIGTERM, grace=10)


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as stranger:
        record = {"pid": stranger.pid, "birth": "1", "port": 1234}
        (tmp_path / "process.json").write_text(json.dumps(record))
        assert daemon.running() is None
        assert not daemon.stop(signal.SIGTERM, grace=1)
        assert stranger.poll() is None
        stranger.kill()


def test_the_command_ends_in_one_message() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "dev" / "stack", "status"],
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "FLUSSO_POSTGRES_PORT": "no"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "dev/stack: FLUSSO_POSTGRES_PORT is 'no'; it has to be a port, 1 to 65535.\n"
    )
