"""A headless Chromium in front of the status page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from stacklib import programs
from support.waiting import patient

Scheme = Literal["light", "dark"]
DESKTOP = (1280, 900)
PHONE = (390, 844)
_DEADLINE_MILLISECONDS = patient(60_000)
_RUN_AXE = """async () => {
  const found = await axe.run(document);
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=programs.require_chromium())
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def status_page(
    browser: Browser, url: str, scheme: Scheme = "light", size: tuple[int, int] = DESKTOP
) -> Iterator[Page]:
    """The page at a private address, with its first data.  At the end no script has failed, and nothing was blocked."""
    context = browser.new_context(
        http_credentials={"username": "admin", "password": "flusso"},
        color_scheme=scheme,
        viewport={"width": size[0], "height": size[1]},
    )
    context.set_default_timeout(_DEADLINE_MILLISECONDS)
    failures: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on(
        "console",
        lambda said: failures.append(said.text) if "Content Security" in said.text else None,
    )
    try:
        page.goto(url)
        page.locator("#index-table tbody tr").first.wait_for()
        yield page
        assert failures == []
    finally:
        context.close()


def serious_findings(page: Page, axe: Path) -> list[str]:
    """What axe-core finds that keeps readers out."""
    page.evaluate(axe.read_text())
    found: list[str] = page.evaluate(_RUN_AXE)
    return found
