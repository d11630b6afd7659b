"""The demonstration shows a change to a child row, and a second one starts from what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from stacklib.layout import PORT_VARIABLES, ROOT
from stacklib.ports import accepts, free_ports
from support.commands import inherited_environment
from support.servers.folder import server_folder

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

_DEADLINE = 240
_PORTS = {name: variable for name, (variable, _) in PORT_VARIABLES.items()}


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Servers of the demonstration's own: free ports, an empty folder."""
    with server_folder() as folder:
        ports = dict(zip(_PORTS.values(), map(str, free_ports(len(_PORTS))), strict=True))
        own = {
            "FLUSSO_DEV_FOLDER": str(folder),
            "FLUSSO_DEV_BRIEF": "1",
            "PYTHONPATH": str(ROOT / "dev"),
        }
        yield inherited_environment() | ports | own


def _demonstrate(environment: dict[str, str], *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "demolib.main", "--once", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _generations(output: str) -> list[str]:
    return re.findall(r"\d+ documents in (\S+)", output)


def test_the_demonstration_runs_twice_and_stops_what_it_started(
    environment: dict[str, str],
) -> None:
    first = _demonstrate(environment)
    assert "dev/changes.sql has run" in first
    assert re.search(r"^> .*\"quantity\": 4", first, re.MULTILINE)
    assert "orders/15.unitsSold: 3 -> 4" in first
    assert "products/1.avgRating: " in first

    second = _demonstrate(environment, "--search")
    assert "are there from an earlier run" in second
    assert "orders/15.unitsSold: 4 -> 5" in second
    assert len(_generations(first)) == 3
    assert _generations(second) == _generations(first), "an index was seeded again"
    page = re.search(r"a search page     http://127\.0\.0\.1:(\d+)", second)
    assert page is not None
    assert not accepts(int(page[1]))

    for variable in _PORTS.values():
        assert not accepts(int(environment[variable]))
