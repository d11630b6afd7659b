"""Which requests of a browser may change something."""

from __future__ import annotations

import pytest

from flusso_shared.process.page.browser_requests import HEADER, PageToken, refusal

TOKEN = PageToken()
HOST = {"host": "db.internal:9465"}
SAME = {"origin": "http://db.internal:9465"}
WITH_TOKEN = {HEADER: TOKEN.text}


def test_every_process_has_its_own_token() -> None:
    assert PageToken().text != TOKEN.text
    assert len(TOKEN.text) >= 43


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_token(method: str) -> None:
    assert refusal(method, "/page/data", HOST | {"origin": "http://evil.example"}, TOKEN) is None


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("path", ["/reindex", "/take-over", "/pause", "/resume"])
def test_scripts_need_none_for_the_routes_of_operators(method: str, path: str) -> None:
    assert refusal(method, path, HOST, TOKEN) is None


@pytest.mark.parametrize(
    "headers",
    [
        SAME,
        {"sec-fetch-site": "same-origin"},
        SAME | {HEADER: ""},
        SAME | {HEADER: TOKEN.text[:-1]},
        SAME | {HEADER: PageToken().text},
    ],
)
@pytest.mark.parametrize("path", ["/reindex", "/actions/reindex"])
def test_browsers_need_it(path: str, headers: dict[str, str]) -> None:
    found = refusal("POST", path, HOST | headers, TOKEN)
    assert found is not None
    assert "reload the page" in found
    assert refusal("POST", path, HOST | headers | WITH_TOKEN, TOKEN) is None


def test_the_actions_of_the_page_always_need_it() -> None:
    assert refusal("POST", "/actions/pause", HOST, TOKEN) is not None
    assert refusal("POST", "/actions/pause", HOST | WITH_TOKEN, TOKEN) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://db.internal:9464"},
        {"origin": "http://db.internal.evil.example:9465"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site"} | SAME,
    ],
)
@pytest.mark.parametrize("path", ["/reindex", "/actions/reindex"])
def test_another_site_is_refused_even_with_it(path: str, headers: dict[str, str]) -> None:
    found = refusal("POST", path, HOST | headers | WITH_TOKEN, TOKEN)
    assert found is not None
    assert "another site" in found


def test_a_proxy_may_change_the_host_where_the_browser_says_it_is_the_same_site() -> None:
    headers = {"host": "127.0.0.1:9465", "origin": "https://flusso.internal"}
    site = {"sec-fetch-site": "same-origin"}
    assert refusal("POST", "/actions/pause", headers | site | WITH_TOKEN, TOKEN) is None
