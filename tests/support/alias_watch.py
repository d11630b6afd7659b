"""Asks an alias from outside, as a query would, every 20 ms."""

from __future__ import annotations

import threading
import time

from support import web

_EVERY = 0.02


class AliasWatch:
    """Notes each time that a query through the alias is not answered.  A context manager."""

    def __init__(self, url: str, alias: str) -> None:
        self._url = f"{url}/{alias}/_search"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {alias}", daemon=True)
        self.asked = 0
        self.failures: list[str] = []

    def __enter__(self) -> AliasWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        with web.client() as client:
            while not self._stop.wait(_EVERY):
                answer = client.get(self._url, params={"size": "0"})
                self.asked += 1
                if answer.status_code != 200 or answer.json()["_shards"]["failed"]:
                    at = time.monotonic() - started
                    self.failures.append(f"at {at:.2f} s: {answer.status_code} {answer.text[:300]}")

    def assert_answered(self) -> None:
        """Every query so far was answered, and there were some."""
        assert self.asked > 0, "nothing was asked"
        assert not self.failures, self.failures[:5]
