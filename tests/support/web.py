"""Requests to the servers of a test, which speak plain HTTP."""

from __future__ import annotations

import httpx

from support.waiting import patient

_TIMEOUT = patient(60.0)


def client(base_url: str = "") -> httpx.Client:
    """A client that loads no certificates: that takes 25 ms of processor time, and pollers make many clients."""
    return httpx.Client(base_url=base_url, timeout=_TIMEOUT, verify=False)


def get(url: str) -> httpx.Response:
    """One request of such a client."""
    with client() as made:
        return made.get(url)
