"""A transaction of 500,000 rows: streamed through in bounded memory, confirmed once, after the last ack."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import Services
from support.kits.capture_kit import Kit, create_tables
from support.servers.own_postgres import with_own_postgres
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

ROWS = 500_000
MEMORY = 250 * 1024 * 1024
_TESTS = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def services(services: Services) -> Iterator[Services]:
    """Positions in the log are compared: no other test may write it."""
    with with_own_postgres(services) as found:
        yield found


def run(url: str, slot: str) -> None:
    """The body of the process whose memory is measured; it prints its peak in bytes."""
    kit = Kit(url, slot)
    kit.log.forgetful = True
    kit.log.hold.set()
    kit.prepare()
    before = kit.position()
    kit.sql(
        f"INSERT INTO users SELECT n, repeat('x', 40) FROM generate_series(1, {ROWS}) n",
        "INSERT INTO users VALUES (0)",
    )
    end = kit.position()
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            seen.append(kit.confirmed())

    watcher = threading.Thread(target=watch, name="watch")
    with kit.running():
        watcher.start()
        until("the rows", lambda: kit.log.count == ROWS + 1, 90)
        assert max(seen) <= before, "confirmed before the last acknowledgement"
        kit.log.hold.clear()
        until("the confirmed position", lambda: seen[-1] >= end)
        stop.set()
        watcher.join()
    # Both small steps at most: the big transaction's end, and what came after.
    assert len({position for position in seen if position > before}) <= 2
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(str(int(line.split()[1]) * 1024))


def test_a_huge_transaction_is_streamed_through(database: str, slot_name: str) -> None:
    create_tables(database)
    program = (
        "import sys; sys.path.append('../dev');"
        " from integration.capture.stream.test_bounded_memory import run; run(*sys.argv[1:])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, database, slot_name],
        cwd=_TESTS,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < MEMORY
