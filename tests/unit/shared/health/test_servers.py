"""Which servers answer."""

from __future__ import annotations

import re

from flusso_shared.health.servers import SILENCE_SECONDS, Servers


class Now:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_server_is_out_from_its_first_failure_to_its_next_answer() -> None:
    now = Now()
    servers = Servers(now)
    servers.asked("postgres")
    servers.failed("postgres", "connection refused")
    first = servers.outages()["postgres"]
    assert re.fullmatch(r"connection refused \(since \d\d:\d\d:\d\d UTC\)", first)
    now.seconds += 10
    servers.asked("postgres")
    assert servers.outages() == {"postgres": first}
    servers.failed("postgres", "no route to host")
    assert servers.outages()["postgres"] == first.replace("connection refused", "no route to host")
    servers.answered("postgres", "17.1")
    assert servers.outages() == {}
    assert servers.outage_ended_at == now.seconds
    assert servers.versions() == {"postgres": "17.1"}


def test_a_server_that_says_nothing_is_out_after_some_seconds() -> None:
    now = Now()
    servers = Servers(now)
    servers.asked("kafka")
    now.seconds += SILENCE_SECONDS - 1
    assert servers.outages() == {}
    now.seconds += 1
    assert list(servers.outages()) == ["kafka"]
    now.seconds += 1
    servers.answered("kafka", None)
    assert servers.outages() == {}
    assert servers.outage_ended_at == now.seconds
    assert servers.versions() == {"kafka": None}


def test_an_answer_without_an_outage_ends_none() -> None:
    servers = Servers(Now())
    servers.asked("kafka")
    servers.answered("kafka", None)
    assert servers.outage_ended_at == 0
