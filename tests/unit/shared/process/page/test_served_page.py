"""The page, what it asks for and what its buttons send, over real sockets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.process.administration import AdministrationSlot
from flusso_shared.process.http import Credentials, HttpServer, bind, private_app
from flusso_shared.process.overview_route import OverviewSlot
from flusso_shared.process.page.browser_requests import HEADER
from flusso_shared.process.page.recorder import Recorder
from flusso_shared.process.page.static_files import HEADERS
from flusso_shared.status import Status
from support.views.overview import AT, overview


class FakeQuarantine:
    """Three entries, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []

    def entries(self, limit: int) -> Sequence[Mapping[str, Any]]:
        return [
            {"index": "orders", "id": str(n), "generation": "g", "at": "2026", "reason": "bad"}
            for n in range(3)
        ][:limit]

    def drop(self, index: str, ids: Collection[str]) -> str:
        self.asked.append(("drop", index, tuple(ids)))
        return "dropped"

    def retry(self, index: str, ids: Collection[str]) -> str:
        self.asked.append(("retry", index, tuple(ids)))
        return "begun"

    def progress(self) -> Mapping[str, Any] | None:
        return {"index": "orders", "total": 3}


class FakeAdministration:
    """Knows one index, `orders`; answers with what it was asked."""

    def __init__(self) -> None:
        self.quarantine: FakeQuarantine | None = FakeQuarantine()

    def knows(self, index: str) -> bool:
        return index == "orders"

    def reindex(self, index: str) -> str:
        return f"reindex {index}"

    def cancel(self, index: str) -> str:
        raise FatalError(f"no reindex of {index} is in progress")

    def take_over(self, index: str) -> str:
        return f"take over {index}"

    def pause(self, index: str) -> str:
        return f"pause {index}"

    def resume(self, index: str) -> str:
        raise RetryableError("OpenSearch does not answer")

    def generations(self) -> Sequence[Mapping[str, Any]]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def administration() -> FakeAdministration:
    return FakeAdministration()


@pytest.fixture
def overview_slot() -> OverviewSlot:
    slot = OverviewSlot()
    slot.look = overview
    return slot


@pytest.fixture
def client(
    administration: FakeAdministration, overview_slot: OverviewSlot
) -> Iterator[httpx.Client]:
    listener = bind("127.0.0.1:0", "private")
    slot = AdministrationSlot()
    slot.administration = administration
    app = private_app(Status(), Credentials("me", "secret"), slot, Recorder(overview_slot))
    server = HttpServer(app, listener, "private")
    server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=url, auth=("me", "secret")) as made:
        yield made
    server.stop()


class Links(HTMLParser):
    """What a page loads, and whether anything is inline."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag in ("script", "link"):
            self.found.append(str(given.get("src") or given.get("href")))


def token_of(client: httpx.Client) -> str:
    found = re.search(r'name="flusso-token" content="([^"]+)"', client.get("/").text)
    assert found is not None
    return found[1]


def test_the_page_loads_its_own_files_and_has_nothing_inline(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(page.text)
    assert links.inline == []
    todo, seen = list(links.found), set[str]()
    while todo:
        path = todo.pop()
        assert path.startswith("page/")
        answer = client.get(f"/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(
            ("text/css", "text/javascript", "image/svg")
        )
        seen.add(path)
        imported = re.findall(r'from "\./(\w+\.js)"', answer.text)
        todo += [f"page/{name}" for name in imported if f"page/{name}" not in seen]
    assert {"page/main.js", "page/charts.js", "page/style.css", "page/icon.svg"} <= seen


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/data", "/indexes", "/nowhere"])
def test_every_answer_has_the_headers_that_bind_a_browser(client: httpx.Client, path: str) -> None:
    for password in ("secret", "wrong"):
        answer = client.get(path, auth=("me", password))
        assert HEADERS.items() <= dict(answer.headers).items()
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_it_asks_for_the_password(client: httpx.Client) -> None:
    for path in ("/", "/page/main.js", "/page/data", "/page/quarantine"):
        assert client.get(path, auth=("me", "")).status_code == 401
    assert client.post("/actions/reindex?index=orders", auth=("me", "")).status_code == 401


def test_the_data_of_the_page(client: httpx.Client) -> None:
    found = client.get("/page/data").json()
    assert found["overview"] == overview()
    assert [sample["at"] for sample in found["samples"]] == [AT]
    assert found["no_actions"] is None
    assert found["retry"] == {"index": "orders", "total": 3}
    assert client.get(f"/page/data?since={AT}").json()["samples"] == []
    assert client.get("/page/data?since=x").status_code == 400


def test_a_process_that_is_not_up_says_so(
    client: httpx.Client, overview_slot: OverviewSlot
) -> None:
    overview_slot.look = None
    answer = client.get("/page/data")
    assert answer.status_code == 503
    assert "starting or stopping" in answer.text


def test_without_a_quarantine_there_are_no_buttons(
    client: httpx.Client, administration: FakeAdministration
) -> None:
    administration.quarantine = None
    found = client.get("/page/data").json()
    assert "no OpenSearch sink" in found["no_actions"]
    assert client.get("/page/quarantine").json() == {"entries": [], "more": False}


def test_the_quarantine_is_listed(client: httpx.Client) -> None:
    found = client.get("/page/quarantine").json()
    assert [entry["id"] for entry in found["entries"]] == ["0", "1", "2"]
    assert found["more"] is False


def test_the_buttons_do_what_the_routes_of_operators_do(
    client: httpx.Client, administration: FakeAdministration
) -> None:
    client.headers[HEADER] = token_of(client)
    told = {
        verb: (answer.status_code, answer.text.strip())
        for verb in ("reindex", "cancel", "pause", "resume", "quarantine/retry", "quarantine/drop")
        for answer in [client.post(f"/actions/{verb}", params={"index": "orders"})]
    }
    assert told == {
        "reindex": (202, "reindex orders"),
        "cancel": (409, "no reindex of orders is in progress"),
        "pause": (202, "pause orders"),
        "resume": (503, "OpenSearch does not answer"),
        "quarantine/retry": (202, "begun"),
        "quarantine/drop": (202, "dropped"),
    }
    client.post("/actions/quarantine/drop", params={"index": "orders", "id": ["1", "ä/b"]})
    assert administration.quarantine is not None
    assert administration.quarantine.asked[-1] == ("drop", "orders", ("1", "ä/b"))
    assert client.post("/actions/reindex?index=nothing").status_code == 404


def test_a_request_without_the_token_changes_nothing(client: httpx.Client) -> None:
    own = {"origin": str(client.base_url).rstrip("/")}
    for path in ("/actions/reindex", "/actions/quarantine/drop"):
        assert client.post(path, params={"index": "orders"}).status_code == 403
    for method, path in (("POST", "/reindex"), ("DELETE", "/reindex"), ("POST", "/take-over")):
        for origin in (own, {"origin": "http://evil.example"}):
            answer = client.request(method, path, params={"index": "orders"}, headers=origin)
            assert answer.status_code == 403
    assert client.post("/reindex?index=orders").status_code == 202, "a script needs none"
    given = {HEADER: token_of(client)}
    assert client.post("/reindex?index=orders", headers=own | given).status_code == 202
    evil = {"origin": "http://evil.example"} | given
    assert client.post("/actions/reindex?index=orders", headers=evil).status_code == 403
