"""The state of a process."""

from __future__ import annotations

import pytest

from flusso_shared.health.decide import Health
from flusso_shared.names import GenerationName
from flusso_shared.status import IndexState, Status


@pytest.mark.parametrize("state", ["stopped", "paused"])
def test_an_index_that_goes_on_has_the_whole_stall_timeout(state: IndexState) -> None:
    """However long ago its changes began to wait."""
    seconds = [100.0]
    status = Status(60.0, lambda: seconds[0])
    status.set_index("users", "seeded")
    status.backlogs.of_generation(GenerationName("users", "01234567", 1)).set(7, None)
    seconds[0] += 60
    assert status.health().state == "failing"
    status.set_index("users", state)
    assert status.health().state == ("degraded" if state == "stopped" else "ok")
    status.set_index("users", "seeded")
    assert status.health() == Health("ok")
    seconds[0] += 60
    assert status.health().state == "failing"
