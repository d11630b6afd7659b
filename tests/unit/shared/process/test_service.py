"""A process with its surfaces and its parts."""

from __future__ import annotations

import httpx
import pytest

from flusso_shared.metrics import Metrics
from flusso_shared.process.http import Credentials
from flusso_shared.process.service import Addresses, Core, Parts, Surfaces, serve
from support.waiting import until


def test_a_part_that_ends_with_an_error_fails_the_process_while_the_others_stop() -> None:
    """They may take a while, or hang: whoever asks `/healthz` meanwhile learns it."""
    core = Core(Metrics())
    answers: list[str] = []

    def make(surfaces: Surfaces) -> Parts:
        def dies() -> None:
            raise ValueError("no such thing")

        def lasts() -> None:
            assert core.stop.wait(60)
            url = f"http://127.0.0.1:{surfaces.public[1]}/healthz"

            def failing() -> bool:
                answer = httpx.get(url)
                answers.append(answer.text)
                return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE

            until("failing", failing)

        return {"dies": dies, "lasts": lasts}

    addresses = Addresses("127.0.0.1:0", "127.0.0.1:0", Credentials("admin", "secret"))
    with pytest.raises(ValueError, match="no such thing"):
        serve(core, addresses, make)
    assert answers[-1] == "failing: thread dies has ended: no such thing\n"
