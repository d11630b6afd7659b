"""The status page in a real browser, in front of a real run: what it shows, and what its buttons do.

With `FLUSSO_PICTURES=docs/pictures` the pictures of the documentation are made at its end.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.processes import Pipeline, Site
from support.proxies.tcp_proxy import TcpProxy
from support.scenario import Scenario
from support.stores import dev as store
from support.views import status_pictures
from support.views.browser import DESKTOP, PHONE, Scheme, chromium, serious_findings, status_page
from support.waiting import until

_PICTURES = os.environ.get("FLUSSO_PICTURES")
pytestmark = [pytest.mark.services, pytest.mark.timeout(900 if _PICTURES else 300)]

logger = logging.getLogger(__name__)

_DEADLINE = 120.0
_WAIT = 1000 * _DEADLINE
_POLL_MILLISECONDS = 2000
_ANSWERS_UNTIL_RED = 3
_HUGE = "repeat('x', 40000)"
"""A SKU that OpenSearch refuses as a keyword."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def served(
    queue: str, site: Site, folder: Path, browser: Browser
) -> Iterator[tuple[Pipeline, Page]]:
    """A pipeline that is live, and the page of its first process."""
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, site, folder)
    with scenario.running() as pipeline:
        scenario.wait_until_live(_DEADLINE)
        with status_page(browser, f"http://{pipeline.daemons[0].private_address()}") as page:
            yield pipeline, page


@contextmanager
def held(site: Site, table: str) -> Iterator[None]:
    """While the block runs, documents with rows of the table cannot be built."""
    with psycopg.connect(site.database_url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def edit(site: Site, statement: str) -> None:
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute(statement.encode())


def card(page: Page, key: str) -> Locator:
    """A part of the flow."""
    return page.locator(f'#flow [data-key="{key}"]')


def cells(page: Page, index: str) -> Locator:
    """The row of an index in the table."""
    return page.locator(f'#index-table tr[data-key="{index}"]')


def press(page: Page, button: Locator) -> None:
    """A button, and the one in the dialog that agrees."""
    button.click()
    page.locator("#confirm-yes").click()


def test_it_shows_the_whole_deployment_and_acts_on_it(
    site: Site, tmp_path: Path, browser: Browser
) -> None:
    """Capture's page, with a worker beside it."""
    target = urlsplit(site.opensearch_url)
    with TcpProxy((str(target.hostname), target.port or 9200)) as proxy:
        site = replace(
            site, opensearch_url=f"http://{proxy.address}", of_index='on_error = "skip"\n'
        )
        with served("kafka, 1 worker", site, tmp_path, browser) as (pipeline, page):
            _shows_what_runs(page)
            _shows_lag_and_seeds(page, site)
            _pauses_and_resumes(page, site)
            _drops_and_retries(page, site)
            _is_red_without_opensearch(page, proxy)
            if _PICTURES:
                url = f"http://{pipeline.daemons[0].private_address()}"
                status_pictures.take(browser, url, site, Path(_PICTURES))


def _shows_what_runs(page: Page) -> None:
    expect(page.locator("#health")).to_contain_text("ok", timeout=_WAIT)
    expect(page.locator("#processes tbody tr")).to_have_count(2, timeout=_WAIT)
    expect(page.locator("#processes tbody")).to_contain_text("capture")
    expect(page.locator("#processes tbody")).to_contain_text("worker")
    expect(card(page, "slot")).to_have_attribute("data-level", "ok", timeout=_WAIT)
    expect(card(page, "queue")).to_have_attribute("data-level", "ok")
    expect(card(page, "sink primary")).to_have_attribute("data-level", "ok")
    for index in ("orders", "products", "users"):
        expect(cells(page, index)).to_contain_text("seeded")
    expect(page.locator("#charts svg.chart")).to_have_count(3)
    expect(page.locator("#problem-list li")).to_have_count(0, timeout=_WAIT)


def _shows_lag_and_seeds(page: Page, site: Site) -> None:
    """Under load, and while a generation that the page has requested is seeded."""
    lag = cells(page, "orders").locator('[data-name="Lag"]')
    with held(site, "order_items"):
        edit(site, "UPDATE orders SET total = total + 1")
        expect(lag).not_to_have_text("0", timeout=_WAIT)
        expect(lag).not_to_have_text("-", timeout=_WAIT)
        press(page, cells(page, "orders").get_by_role("button", name="Reindex orders"))
        expect(page.locator("#messages")).to_contain_text("reindex of orders queued")
        expect(page.locator("#flow")).to_contain_text("seeding", timeout=_WAIT)
        expect(page.locator("#flow progress")).to_have_count(1, timeout=_WAIT)
    second = page.locator('#flow [data-key^="group "][data-key*="orders_"][data-key$="_2"]')
    expect(second).to_contain_text("live", timeout=_WAIT)
    expect(lag).to_have_text("0", timeout=_WAIT)
    expect(page.locator("#flow progress")).to_have_count(0, timeout=_WAIT)


def _pauses_and_resumes(page: Page, site: Site) -> None:
    users = cells(page, "users")
    press(page, users.get_by_role("button", name="Pause users"))
    expect(users).to_contain_text("paused", timeout=_WAIT)
    lag = users.locator('[data-name="Lag"]')

    def change() -> None:
        edit(site, "UPDATE users SET full_name = 'paused' WHERE id = (SELECT min(id) FROM users)")
        page.wait_for_timeout(_POLL_MILLISECONDS)

    # The worker stops a moment after the pause is on record.
    until("a change is left", lambda: lag.inner_text() not in ("0", "-"), _DEADLINE, step=change)
    press(page, users.get_by_role("button", name="Resume users"))
    expect(lag).to_have_text("0", timeout=_WAIT)
    expect(users.get_by_role("button", name="Pause users")).to_be_visible()


def _drops_and_retries(page: Page, site: Site) -> None:
    edit(
        site,
        f"UPDATE products SET sku = {_HUGE} WHERE id IN (SELECT id FROM products ORDER BY id LIMIT 2)",
    )
    listed = page.locator("#quarantine tbody tr")
    expect(listed).to_have_count(2, timeout=_WAIT)
    expect(page.locator("#problem-list")).to_contain_text("index products", timeout=_WAIT)
    press(page, page.get_by_role("button", name="Retry all of products"))
    expect(page.locator("#retry")).to_contain_text(
        "2 of 2 documents, 0 written, 2 kept", timeout=_WAIT
    )
    press(page, listed.first.get_by_role("button", name="Drop"))
    expect(listed).to_have_count(1, timeout=_WAIT)


def _is_red_without_opensearch(page: Page, proxy: TcpProxy) -> None:
    """Stopped, and then with connections that stay open and silent."""
    sink = card(page, "sink primary")
    answers: list[str] = []
    page.on(
        "response", lambda answer: answers.append(answer.url) if "/data?" in answer.url else None
    )
    for stop, go_on in ((proxy.cut, proxy.resume), (proxy.deafen, proxy.hear)):
        answers.clear()
        stop()
        began = time.monotonic()
        expect(sink).to_have_attribute("data-level", "failing", timeout=_WAIT)
        logger.info("red after %.1f s", time.monotonic() - began)
        # The page asks every two seconds: one answer may be on its way, the next is red, and one may follow it.
        assert len(answers) <= _ANSWERS_UNTIL_RED
        expect(page.locator("#problem-list")).to_contain_text("[sinks.primary]")
        go_on()
        expect(sink).to_have_attribute("data-level", "ok", timeout=_WAIT)


def test_one_process_shows_the_same(
    site: Site, tmp_path: Path, browser: Browser, axe_core: Path
) -> None:
    """`flusso run`: the reindex from its page ends, other sites change nothing, and no reader is kept out."""
    with served("flusso run", site, tmp_path, browser) as (pipeline, page):
        url = f"http://{pipeline.daemons[0].private_address()}"
        _refuses_other_sites(url)
        expect(page.locator("#processes tbody tr")).to_have_count(1, timeout=_WAIT)
        press(page, cells(page, "users").get_by_role("button", name="Reindex users"))
        second = page.locator('#flow [data-key^="group "][data-key*="users_"][data-key$="_2"]')
        expect(second).to_contain_text("live", timeout=_WAIT)
        _works_with_the_keyboard(page)
        for scheme, size in _VIEWS:
            with status_page(browser, url, scheme, size) as view:
                assert serious_findings(view, axe_core) == []
                cells(view, "orders").get_by_role("button", name="Reindex orders").click()
                expect(view.locator("dialog")).to_be_visible()
                assert serious_findings(view, axe_core) == []


_VIEWS: tuple[tuple[Scheme, tuple[int, int]], ...] = (
    ("light", DESKTOP),
    ("dark", DESKTOP),
    ("dark", PHONE),
)


def _refuses_other_sites(url: str) -> None:
    with httpx.Client(base_url=url, auth=("admin", "flusso"), params={"index": "users"}) as client:
        assert client.post("/actions/reindex").status_code == 403
        for path in ("/actions/reindex", "/reindex", "/take-over", "/pause"):
            for origin in (url, "http://evil.example"):
                assert client.post(path, headers={"origin": origin}).status_code == 403


def _works_with_the_keyboard(page: Page) -> None:
    """The focus stays where it is while the page is refreshed, goes into the dialog, and comes back."""
    button = cells(page, "orders").get_by_role("button", name="Reindex orders")
    button.focus()
    for _ in range(2):
        shown = page.locator("#updated").inner_text()
        expect(page.locator("#updated")).not_to_have_text(shown, timeout=_WAIT)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#confirm-no")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(button).to_be_focused()
