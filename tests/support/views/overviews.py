"""The overview of a deployment, as its processes give it, and configurations to ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from flusso_cli.overview.model import Overview
from support import web
from support.processes import Daemon, Site
from support.waiting import until_none


class StdoutSite(Site):
    """A site whose documents are printed: it needs no OpenSearch."""

    def write_config(self, folder: Path) -> Path:
        path = super().write_config(folder)
        text = path.read_text()
        before, after = text.split("[sinks.primary]")
        path.write_text(
            f'{before}[sinks.primary]\ntype = "stdout"\n\n{after[after.index("[queue]") :]}'
        )
        return path


_LONGEST_SECONDS = 5.0 + 15.0
"""What is promised, and what a busy machine adds: less than the 30 s after which a request to OpenSearch is given up."""


def overview(daemon: Daemon) -> Overview:
    """What the process answers at `GET /overview`, within the time that is promised."""
    return Overview.from_json(_asked(daemon).raise_for_status().json())


def _asked(daemon: Daemon) -> httpx.Response:
    began = time.monotonic()
    with web.client(f"http://{daemon.private_address()}") as client:
        answer = client.get("/overview", auth=("admin", "flusso"))
        assert time.monotonic() - began < _LONGEST_SECONDS
        return answer


def behind(found: Overview) -> object:
    """Empty once every index is seeded and has no lag."""
    return [item for item in found.indexes if (item.state, item.lag) != ("seeded", 0)]


def await_overview(
    daemon: Daemon, what: str, missing: Callable[[Overview], object], deadline: float
) -> Overview:
    """Look until `missing` gives nothing; its last answer is in the failure."""
    found: list[Overview] = []

    def look() -> str | None:
        answer = _asked(daemon)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return answer.text  # It listens before it is up.
        found[:] = [Overview.from_json(answer.raise_for_status().json())]
        left = missing(found[0])
        return f"{left}" if left else None

    until_none(what, look, deadline)
    return found[0]
