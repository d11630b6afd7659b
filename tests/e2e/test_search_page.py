"""The search page of the example store over a real pipeline: its JSON routes, and the page in a headless Chromium.

With `FLUSSO_PICTURES=docs/pictures` it makes the picture of the documentation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect

from services import Services
from stacklib.layout import ROOT
from stacklib.ports import free_ports
from support import names, web
from support.commands import inherited_environment
from support.processes import Site
from support.scenario import Scenario
from support.stores import dev as store
from support.views.browser import chromium
from support.waiting import patient, until_none

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("search page"),
]

_DEADLINE = 90.0
_BROWSER_MILLISECONDS = patient(60_000)
_PICTURES = os.environ.get("FLUSSO_PICTURES")


@pytest.fixture(scope="module")
def site(
    services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, str]]:
    """A pipeline over the store, and the address of the page."""
    with names.site(services) as site:
        store.load_store(site.database_url)
        scenario = Scenario.over("flusso run", site, tmp_path_factory.mktemp("search"))
        with scenario.running():
            scenario.wait_until_live(_DEADLINE)
            scenario.wait_until_idle(_DEADLINE)
            with served(site) as url:
                yield site, url


@contextmanager
def served(site: Site) -> Iterator[str]:
    """The page's own process."""
    [port] = free_ports(1)
    environment = inherited_environment() | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "dev"), os.environ.get("PYTHONPATH", "")]),
        "OPENSEARCH_URL": site.opensearch_url,
        "INDEX_PREFIX": site.index_prefix,
        "FLUSSO_MODELS_CHECK": "off",
        "BIND": f"127.0.0.1:{port}",
    }
    process = subprocess.Popen([sys.executable, "-m", "searchlib.main"], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        until_none("the page is served", lambda: _unanswered(process, url))
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _unanswered(process: subprocess.Popen[bytes], url: str) -> str | None:
    assert process.poll() is None, "it has ended"
    try:
        return None if web.get(f"{url}/health").text == "ok" else "another answer"
    except httpx.TransportError as error:
        return str(error)


def asked(url: str, **parameters: Any) -> dict[str, Any]:
    with web.client(url) as client:
        answer = client.get("/api/products", params=parameters)
    assert answer.status_code == httpx.codes.OK, answer.text
    return dict(answer.json())


def names_of(found: dict[str, Any]) -> list[str]:
    return [hit["name"] for hit in found["hits"]]


def test_words_find_products_and_show_where(site: tuple[Site, str]) -> None:
    _, url = site
    found = asked(url, q="lost islnds")
    assert names_of(found)[0] == "Atlas of \ue000Lost\ue001 \ue000Islands\ue001"
    assert names_of(asked(url, q="map-001"))[0] == "Atlas of Lost Islands"
    assert asked(url, q="nothing like it")["hits"] == []


def test_pages_have_each_product_once(site: tuple[Site, str]) -> None:
    _, url = site
    for sort in ("relevance", "name", "price", "rating", "newest"):
        first = asked(url, sort=sort)
        assert (first["total"], first["pages"]) == (55, 5)
        ids = [
            hit["id"] for page in range(1, 6) for hit in asked(url, sort=sort, page=page)["hits"]
        ]
        assert len(set(ids)) == len(ids) == 55, sort


def test_a_facet_counts_what_its_values_would_find(site: tuple[Site, str]) -> None:
    _, url = site
    everything = asked(url)
    assert sum(everything["facets"]["price"].values()) == everything["total"]
    assert sum(everything["facets"]["stock"].values()) == everything["total"]
    for band, count in everything["facets"]["price"].items():
        chosen = asked(url, price=band)
        assert chosen["total"] == count
        assert chosen["facets"]["price"] == everything["facets"]["price"]
        for stock, number in chosen["facets"]["stock"].items():
            assert asked(url, price=band, stock=stock)["total"] == number
    for tag, count in everything["facets"]["tags"].items():
        assert asked(url, tag=tag)["total"] == count
    two = asked(url, tag=["sale", "light"])
    assert two["total"] == asked(url, tag="sale")["facets"]["tags"].get("light", 0)


def test_names_are_suggested_while_one_types(site: tuple[Site, str]) -> None:
    _, url = site
    with web.client(url) as client:
        assert client.get("/api/suggest", params={"q": "dyn"}).json() == ["Dynamo Hub"]
        assert client.get("/api/suggest", params={"q": " "}).json() == []
        assert len(client.get("/api/suggest", params={"q": "produ"}).json()) == 8


def test_a_product_is_whole_and_exact(site: tuple[Site, str]) -> None:
    _, url = site
    with web.client(url) as client:
        found = client.get("/api/products/1").json()
        assert (found["pricing"]["amount"], found["tags"]) == (
            "48.00",
            [{"label": "handmade"}, {"label": "new"}],
        )
        missing = client.get("/api/products/a%2Fb")
        assert (missing.status_code, missing.json()) == (404, {"error": "there is no such product"})


@pytest.mark.parametrize(
    "parameters", [{"sort": "luck"}, {"price": "5"}, {"stock": "maybe"}, {"page": "0"}]
)
def test_what_cannot_be_asked_is_refused(site: tuple[Site, str], parameters: Any) -> None:
    _, url = site
    with web.client(url) as client:
        assert client.get("/api/products", params=parameters).status_code == 400


@pytest.fixture(scope="module")
def page(site: tuple[Site, str]) -> Iterator[Page]:
    _, url = site
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1100, "height": 820})
        context.set_default_timeout(_BROWSER_MILLISECONDS)
        expect.set_options(timeout=_BROWSER_MILLISECONDS)
        failures: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(url)
        yield page
        assert failures == []
        context.close()


def test_type_choose_page_and_see_a_change_of_a_row(site: tuple[Site, str], page: Page) -> None:
    found, _ = site
    total, cards = page.locator("#total"), page.locator("#hits li")
    expect(total).to_have_text("55 products")
    expect(cards).to_have_count(12)

    page.locator("#next").click()
    expect(page.locator("#page")).to_have_text("page 2 of 5")
    page.locator("#previous").click()
    expect(page.locator("#page")).to_have_text("page 1 of 5")

    page.get_by_label("Products").press_sequentially("catalog")
    expect(page.locator("#hits mark").first).to_have_text("catalogue")
    page.get_by_label("Products").fill("lost")
    expect(cards).to_have_count(1)
    expect(page.locator("#suggestions option")).to_have_attribute("value", "Atlas of Lost Islands")

    page.get_by_label("Products").fill("")
    expect(total).to_have_text("55 products")
    page.get_by_label(re.compile("handmade")).check()
    page.get_by_label("Sort by").select_option("price")
    atlas = page.locator('[data-id="1"]')
    expect(atlas).to_contain_text("48.00 USD")
    if _PICTURES:
        page.screenshot(path=Path(_PICTURES) / "search.png")
    with psycopg.connect(found.database_url) as connection:
        connection.execute("UPDATE products SET price = 51.50 WHERE id = 1")
    expect(atlas).to_contain_text("51.50 USD")
    with psycopg.connect(found.database_url) as connection:
        connection.execute(
            "DELETE FROM product_tags USING tags WHERE tags.id = tag_id AND label = 'handmade' AND product_id = 1"
        )
    expect(atlas).to_have_count(0)
