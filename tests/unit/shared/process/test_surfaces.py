"""The HTTP surfaces, over real sockets, and what is logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from flusso_shared.errors import FatalError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.process.http import (
    Credentials,
    HttpServer,
    bind,
    private_app,
    public_app,
)
from flusso_shared.process.logs import JsonFormatter, TextFormatter, directives
from flusso_shared.status import Progress, SlotState, Status


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def public(status: Status, metrics: Metrics) -> Iterator[httpx.Client]:
    listener = bind("127.0.0.1:0", "public")
    server = HttpServer(public_app(status, metrics), listener, "public")
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
        yield client
    server.stop()


@pytest.fixture
def private(status: Status) -> Iterator[httpx.Client]:
    listener = bind("127.0.0.1:0", "private")
    server = HttpServer(private_app(status, Credentials("me", "pässword")), listener, "private")
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
        yield client
    server.stop()


def test_ready_only_while_it_works(public: httpx.Client, status: Status) -> None:
    answers = {}
    for phase in ("starting", "backfilling", "live", "stopped"):
        status.set_phase(phase)
        answers[phase] = public.get("/readyz").status_code
    assert answers == {"starting": 503, "backfilling": 200, "live": 200, "stopped": 503}


def test_the_status_document(public: httpx.Client, status: Status) -> None:
    status.set_index("users", "backfilling", Progress(3, 10))
    status.waiting("Postgres")
    found = public.get("/status").json()
    assert list(found)[:4] == ["phase", "uptime_seconds", "indexes", "changes_captured"]
    assert found["indexes"] == {"users": "backfilling"}
    assert found["progress"] == {"users": {"done": 3, "total": 10}}
    assert found["waiting_for"] == "Postgres"
    assert found["slot_lag_bytes"] is None


def test_healthz_says_why(public: httpx.Client, status: Status) -> None:
    def answer() -> tuple[int, str]:
        found = public.get("/healthz")
        return found.status_code, found.text

    assert answer() == (200, "ok\n")
    status.retrying("read", "Postgres does not answer")
    assert answer() == (200, "degraded: Postgres does not answer\n")
    status.thread_ended("watch", ValueError("no such thing"))
    assert answer() == (
        503,
        "failing: thread watch has ended: no such thing; Postgres does not answer\n",
    )
    assert public.get("/status").json()["health"] == {
        "state": "failing",
        "reasons": ["thread watch has ended: no such thing", "Postgres does not answer"],
    }


def test_status_shows_sinks_retries_lag_and_slot(public: httpx.Client, status: Status) -> None:
    status.set_sinks(["primary", "audit"])
    status.set_index("users", "seeded")
    status.backlogs.of_generation(GenerationName("users", "01234567", 1)).set(7, None)
    status.set_quarantine("users", 2)
    status.retry("stream")
    status.retry_sink("primary")
    status.retrying("write", "the queue is full", sink="primary", index="users")
    status.servers.answered("postgres", "17.1")
    status.set_slot(SlotState("flusso", "extended", 10, 20, None))
    found = public.get("/status").json()
    assert found["sinks"] == {
        "audit": {"state": "ok", "last_error": None, "retries": 0},
        "primary": {"state": "degraded", "last_error": "the queue is full", "retries": 1},
    }
    assert found["retries"] == {"stream": 1}
    assert found["servers"] == {"postgres": "17.1"}
    assert found["lag"] == {
        "users": {
            "records": 7,
            "seconds": None,
            "acknowledged_seconds_ago": None,
            "last_error": "the queue is full",
            "quarantine": 2,
        }
    }
    assert found["slot"] == {
        "name": "flusso",
        "wal_status": "extended",
        "lag_bytes": 10,
        "retained_bytes": 20,
        "safe_bytes": None,
    }
    assert found["slot_lag_bytes"] == 10


def test_the_error_of_an_index_is_shown_until_it_goes_on(
    public: httpx.Client, status: Status
) -> None:
    status.set_index("users", "stopped")
    status.index_failed("users", "document 7")
    assert public.get("/healthz").text == "degraded: index users has stopped: document 7\n"
    assert public.get("/status").json()["lag"]["users"]["last_error"] == "document 7"
    status.set_index("users", "seeded")
    assert public.get("/healthz").text == "ok\n"
    assert public.get("/status").json()["lag"]["users"]["last_error"] is None


def test_metrics_are_exposed(public: httpx.Client, metrics: Metrics) -> None:
    metrics.counter("flusso_documents_built_total", "users", "change").inc(5)
    answer = public.get("/metrics")
    assert 'flusso_documents_built_total{cause="change",index="users"} 5.0' in answer.text


def test_unknown_paths_and_methods(public: httpx.Client) -> None:
    unknown = public.get("/nothing")
    assert (unknown.status_code, unknown.content) == (404, b"")
    wrong = public.post("/healthz")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]


def test_the_private_surface_asks_for_credentials(private: httpx.Client, status: Status) -> None:
    status.set_index("users", "seeded")
    for path in ("/indexes", "/nothing"):
        refused = private.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Basic realm="flusso", charset="UTF-8"'
    for header in ("Basic !!", "Bearer x", "Basic bWU6d3Jvbmc="):
        assert private.get("/indexes", headers={"authorization": header}).status_code == 401
    me = httpx.BasicAuth("me", "pässword")
    assert private.get("/indexes", auth=me).json() == {"users": "seeded"}
    assert private.get("/nothing", auth=me).status_code == 404


def test_an_address_that_cannot_be_bound() -> None:
    listener = bind("127.0.0.1:0", "public")
    try:
        with pytest.raises(FatalError, match="--public-address"):
            bind(f"127.0.0.1:{listener.getsockname()[1]}", "public")
    finally:
        listener.close()


def test_a_default_that_is_taken_is_replaced_by_a_free_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken = bind("127.0.0.1:0", "public")
    port = taken.getsockname()[1]
    other = bind(f"127.0.0.1:{port}", "public", or_free=True)
    try:
        host, found = other.getsockname()
        assert (host, found != port) == ("127.0.0.1", True)
    finally:
        taken.close()
        other.close()
    assert [getattr(item, "action", "") for item in caplog.records] == ["port_taken"]


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("flusso_shared.x", logging.WARNING, "", 0, "%s rows", (3,), None)
    made.__dict__.update(extra)
    return made


def test_logs_as_text_and_as_json() -> None:
    text = TextFormatter(colours=False).format(record(action="retry"))
    assert text.endswith("Z WARNING flusso_shared.x: 3 rows action=retry")
    line = json.loads(JsonFormatter().format(record(action="retry")))
    assert line["level"] == "WARN"
    assert line["target"] == "flusso_shared.x"
    assert line["fields"] == {"message": "3 rows", "action": "retry"}


def test_log_directives() -> None:
    known = {"": logging.WARNING, "flusso_worker": logging.DEBUG, "a.b": logging.ERROR}
    assert directives("warn,flusso_worker=debug, nonsense, a::b=error") == (known, ["nonsense"])


def test_readyz_reports_a_stopped_index(public: httpx.Client, status: Status) -> None:
    status.set_phase("live")
    status.set_index("users", "stopped")
    status.set_index("orders", "seeded")
    answer = public.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "stopped: users\n")
    assert public.get("/healthz").status_code == 200
    status.set_index("users", "seeded")
    assert public.get("/readyz").status_code == 200


def test_requests_are_refused_before_the_process_is_up(private: httpx.Client) -> None:
    admin = httpx.BasicAuth("me", "pässword")
    posts = [("POST", where) for where in ("/reindex", "/take-over", "/pause", "/resume")]
    routes = (*posts, ("DELETE", "/reindex"))
    for method, where in (*routes, ("GET", "/generations")):
        assert private.request(method, where).status_code == 401
        answer = private.request(method, where, params={"index": "users"}, auth=admin)
        assert answer.status_code == 503, where
    wrong = private.get("/reindex", auth=admin)
    assert wrong.status_code == 405
    assert set(wrong.headers["allow"].split(", ")) == {"POST", "DELETE"}
