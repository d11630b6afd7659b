"""The pictures of the status page in `docs/pictures`, of a pipeline that has had some minutes of load."""

from __future__ import annotations

import threading
from pathlib import Path

from playwright.sync_api import Browser

from support.processes import Site
from support.stores import dev as store
from support.views.browser import PHONE, Scheme, status_page

_BURSTS = (1500, 300, 3000, 600, 2000)
"""Operations of each."""
_PAUSE_SECONDS = 20.0
_PICTURES: dict[str, tuple[Scheme, tuple[int, int]]] = {
    "light": ("light", (1200, 1420)),
    "dark": ("dark", (1200, 900)),
    "phone": ("light", PHONE),
}
_RENAME = """names => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const [from, to] of Object.entries(names)) {
      texts.currentNode.data = texts.currentNode.data.replaceAll(from, to);
    }
  }
}"""


def take(browser: Browser, url: str, site: Site, folder: Path) -> None:
    """Make them under load; the page at `url` is that of a process of the pipeline.

    The names that the test has for itself are shown as those of the example store.
    """
    names = {site.index_prefix: "shop_", site.slot: "flusso", site.topic_prefix: "flusso"}
    pause = threading.Event()
    for operations in _BURSTS[:-1]:
        store.simulate_production(site.database_url, operations)
        pause.wait(_PAUSE_SECONDS)
    load = threading.Thread(target=store.simulate_production, args=(site.database_url, _BURSTS[-1]))
    load.start()
    for name, (scheme, size) in _PICTURES.items():
        with status_page(browser, url, scheme, size) as page:
            page.locator("#charts path.series-0[d]").first.wait_for()
            page.evaluate(_RENAME, names)
            page.screenshot(path=folder / f"status-{name}.png")
    load.join()
