"""The systemd units are valid, confined, and set options that the commands have."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

import flusso_cli.daemons.capture
import flusso_cli.daemons.worker
import flusso_cli.main
from stacklib import programs
from support.stores.dev import ROOT

UNITS = ROOT / "deploy" / "systemd"
EACH = {
    "flusso-capture.service": "flusso-capture.service",
    "flusso-run.service": "flusso-run.service",
    "flusso-worker@.service": "flusso-worker@1.service",
}
"""File -> the unit that is started."""
_COMMANDS = {
    "flusso-capture": flusso_cli.daemons.capture.app,
    "flusso-worker": flusso_cli.daemons.worker.app,
    "flusso": flusso_cli.main.app,
}
_DRAIN_SECONDS = 25
_EXPOSURE = 1.5
"""Of ten; what remains is the network, which the processes need."""

each_unit = pytest.mark.parametrize("file", EACH)


def lines(file: str) -> list[tuple[str, str]]:
    """The settings of a unit in order; a key may stand several times."""
    text = (UNITS / file).read_text()
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's folders, with the units and programs in their places."""
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    for file, unit in EACH.items():
        shutil.copy(UNITS / file, units / file)
        if unit != file:
            (units / unit).symlink_to(file)
    # The targets that every unit depends on are those of this machine's systemd.
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        if not target.is_symlink():
            shutil.copy(target, units / target.name)
    place = tmp_path / "opt" / "flusso" / "bin"
    place.mkdir(parents=True)
    for name in _COMMANDS:
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs.require_systemd_analyze(), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@each_unit
def test_the_unit_is_valid(file: str, root: Path) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=one", f"--root={root}", EACH[file])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelled_setting_is_noticed(root: Path) -> None:
    """The test above would pass if nothing were read."""
    unit = root / "etc" / "systemd" / "system" / "flusso-run.service"
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHomes="))
    done = analyze("verify", "--man=no", "--recursive-errors=one", f"--root={root}", unit.name)
    assert "ProtectHomes" in done.stderr


@each_unit
def test_the_unit_is_confined(file: str, root: Path) -> None:
    done = analyze(
        "security",
        "--offline=yes",
        f"--threshold={_EXPOSURE * 10:.0f}",
        "--no-pager",
        f"--root={root}",
        EACH[file],
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_unit
def test_the_settings_are_options_of_the_command(file: str) -> None:
    [command] = [shlex.split(value) for key, value in lines(file) if key == "ExecStart"]
    program, *subcommand = command
    found: Any = get_command(_COMMANDS[Path(program).name])
    for part in subcommand:
        found = found.get_command(typer.Context(found), part)
    known = {parameter.envvar for parameter in found.params}
    set_ = [value.partition("=")[0] for key, value in lines(file) if key == "Environment"]
    assert {"FLUSSO_CONFIG", "FLUSSO_LOCK"} <= set(set_) <= known


@each_unit
def test_the_lock_is_in_the_folder_that_can_be_written(file: str) -> None:
    settings = lines(file)
    [folder] = [value for key, value in settings if key == "StateDirectory"]
    assert ("Environment", f"FLUSSO_LOCK=%S/{folder}/flusso.lock") in settings


@each_unit
def test_the_process_has_the_time_to_drain(file: str) -> None:
    [seconds] = [value for key, value in lines(file) if key == "TimeoutStopSec"]
    assert int(seconds.removesuffix("s")) > _DRAIN_SECONDS


def test_the_units_confine_alike() -> None:
    """What follows the comment is the same in all, but for the name of the folder."""
    rest = {
        (UNITS / file).read_text().partition("# --- ")[2].replace(EACH[file][:-8], "")
        for file in EACH
    }
    texts = {re.sub(r"StateDirectory=.*", "", text) for text in rest}
    assert len(texts) == 1


def test_prometheus_scrapes_the_addresses_of_the_units() -> None:
    text = (ROOT / "deploy" / "monitoring" / "prometheus" / "prometheus.hosts.yml").read_text()
    addresses = {
        value.partition("=")[2].replace("%i", number)
        for file in EACH
        for number in "12"
        for key, value in lines(file)
        if key == "Environment" and "PUBLIC_ADDRESS" in value
    }
    assert set(re.findall(r"127\.0\.0\.1:\d+", text)) == addresses
