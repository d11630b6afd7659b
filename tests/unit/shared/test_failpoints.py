"""Failpoints: their setting is read exactly, and unset they do nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flusso_shared import failpoints
from flusso_shared.errors import ConfigError

_PRODUCT = ("capture", "worker", "shared")


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def test_nothing_is_armed_without_a_setting() -> None:
    failpoints.arm("")
    assert not failpoints.armed
    failpoints.hit("after_produce")

    def action() -> None: ...

    assert failpoints.after("after_produce", action) is action


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("after_produce:exit", [("after_produce", None, None)]),
        ("mid_bulk:delay=5s", [("mid_bulk", 5.0, None)]),
        ("mid_bulk:delay=50ms@3", [("mid_bulk", 0.05, 3)]),
        (
            " mid_bulk:delay=1.5m , after_poll:exit@12,",
            [("mid_bulk", 90.0, None), ("after_poll", None, 12)],
        ),
        ("", []),
    ],
)
def test_a_setting_is_read(text: str, expected: list[tuple[str, float | None, int | None]]) -> None:
    assert [(item.name, item.delay, item.nth) for item in failpoints.parse(text)] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("after_produce", "cannot read 'after_produce'"),
        ("after_produce:exit@0", "cannot read"),
        ("after_produce:delay=5", "cannot read"),
        ("after_produce:explode", "cannot read"),
        ("after_prodce:exit", "did you mean after_produce?"),
        ("after_produce:exit,after_produce:delay=1s", "set twice"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)):
        failpoints.parse(text)


def test_a_delay_holds_the_nth_hit_only() -> None:
    failpoints.arm("before_bulk:delay=200ms@2")
    took = []
    for _ in range(3):
        started = time.monotonic()
        failpoints.hit("before_bulk")
        took.append(time.monotonic() - started)
    assert took[1] >= 0.2
    assert took[0] < 0.2
    assert took[2] < 0.2


def test_an_exit_ends_the_process_without_clean_up() -> None:
    program = (
        "import atexit; from flusso_shared import failpoints\n"
        "atexit.register(print, 'cleaned up')\n"
        "failpoints.arm('after_produce:exit@2')\n"
        "act = failpoints.after('after_produce', lambda: print('done', flush=True))\n"
        "act(); act(); act()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == failpoints.EXIT_CODE, ended.stderr.decode()
    assert ended.stdout.decode().split() == ["done", "done"]


def test_a_wrong_setting_ends_a_command_with_one_message() -> None:
    command = [str(Path(sys.executable).parent / "flusso"), "--version"]
    ended = subprocess.run(
        command, env={failpoints.VARIABLE: "nowhere:exit"}, capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.decode().startswith("Error: FLUSSO_FAILPOINT: there is no failpoint")


def test_every_place_stands_in_the_code() -> None:
    root = Path(__file__).parents[3]
    files = [path for folder in _PRODUCT for path in (root / folder).rglob("*.py")]
    text = "\n".join(path.read_text() for path in files if path.name != "failpoints.py")
    used = set(re.findall(r"failpoints\.(?:hit|after|watched)\(\s*\"([a-z_]+)\"", text))
    assert used == set(failpoints.PLACES)
