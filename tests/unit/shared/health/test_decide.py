"""The decision over the health of a process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flusso_shared.health.decide import Facts, Health, Waiting, decide
from flusso_shared.health.servers import Servers

NOW = 1000.0
TIMEOUT = 60.0
OUTAGE = "OpenSearch at http://127.0.0.1:9200 does not answer"
STALLED = Waiting("index users", 7, NOW - 61)


def test_nothing_to_do_is_healthy_however_long_it_lasts() -> None:
    assert decide(Facts(), NOW, TIMEOUT) == Health("ok")


@pytest.mark.parametrize(("waited", "state"), [(59.0, "ok"), (60.0, "failing")])
def test_a_backlog_without_an_acknowledgement_fails_after_the_stall_timeout(
    waited: float, state: str
) -> None:
    facts = Facts(waiting=[Waiting("index users", 7, NOW - waited)])
    assert decide(facts, NOW, TIMEOUT).state == state


def test_the_reason_of_a_stall_says_what_waits_and_since_when() -> None:
    found = decide(Facts(waiting=[STALLED]), NOW, TIMEOUT)
    assert found.reasons == (
        "index users: 7 changes wait, and none was acknowledged for 61 s; a restart may help",
    )
    assert str(found) == f"failing: {found.reasons[0]}"


@pytest.mark.parametrize(("ran", "state"), [(4.0, "failing"), (5.0, "degraded")])
def test_a_statement_that_takes_long_is_not_cured_by_a_restart(ran: float, state: str) -> None:
    found = decide(Facts(waiting=[replace(STALLED, statement_since=NOW - ran)]), NOW, TIMEOUT)
    assert found.state == state
    assert ("for 5 s; `flusso explain`" in str(found)) == (state == "degraded")


def test_a_position_that_was_lost_shows_while_everything_is_read_again() -> None:
    found = decide(Facts(lost_position="the slot was dropped"), NOW, TIMEOUT)
    assert found == Health("degraded", ("everything is read again: the slot was dropped",))


def test_without_a_stall_timeout_nothing_is_a_stall() -> None:
    assert decide(Facts(waiting=[STALLED]), NOW, 0) == Health("ok")


def test_an_outage_explains_a_stall() -> None:
    found = decide(Facts(waiting=[STALLED], outages=[OUTAGE]), NOW, TIMEOUT)
    assert found == Health("degraded", (OUTAGE,))


@pytest.mark.parametrize(("ended", "state"), [(59.0, "ok"), (60.0, "failing")])
def test_after_an_outage_the_stall_timeout_begins_again(ended: float, state: str) -> None:
    facts = Facts(waiting=[STALLED], outage_ended_at=NOW - ended)
    assert decide(facts, NOW, TIMEOUT).state == state


def test_what_is_retried_because_of_an_outage_is_left_out() -> None:
    why = "OpenSearch at http://127.0.0.1:9200 does not answer: connection refused"
    servers = Servers()
    servers.failed("opensearch primary", why)
    outages = [*servers.outages().values()]
    retried = [f"cannot manage the generations of index users yet: {why}", "cannot read: 502"]
    found = decide(Facts(outages=outages, retried=retried), NOW, TIMEOUT)
    assert found == Health("degraded", (*outages, "cannot read: 502"))


def test_an_operation_that_is_retried_explains_a_stall() -> None:
    found = decide(Facts(waiting=[STALLED], retried=["cannot read: 502"]), NOW, TIMEOUT)
    assert found == Health("degraded", ("cannot read: 502",))


def test_an_index_that_has_stopped_is_not_cured_by_a_restart() -> None:
    facts = Facts(stopped={"users": "document '7' cannot be written", "orders": None})
    found = decide(facts, NOW, TIMEOUT)
    reasons = (
        "index users has stopped: document '7' cannot be written",
        "index orders has stopped",
    )
    assert found == Health("degraded", reasons)


def test_a_thread_that_ended_fails_whatever_else_there_is() -> None:
    facts = Facts(outages=[OUTAGE], ended_threads={"watch": "no such thing"})
    found = decide(facts, NOW, TIMEOUT)
    assert found == Health("failing", ("thread watch has ended: no such thing", OUTAGE))


def test_a_lost_slot_fails() -> None:
    found = decide(Facts(lost_slot="flusso"), NOW, TIMEOUT)
    assert found.state == "failing"
    assert "replication slot flusso is lost" in str(found)


def test_a_long_list_of_reasons_is_cut_in_text_and_whole_in_json() -> None:
    found = decide(Facts(outages=[f"reason {n}" for n in range(11)]), NOW, TIMEOUT)
    assert str(found) == ("degraded: reason 0; reason 1; reason 2; reason 3; reason 4; and 6 more")
    assert len(found.to_json()["reasons"]) == 11
