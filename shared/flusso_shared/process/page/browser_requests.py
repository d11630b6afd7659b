"""Which requests of a browser may change something: only those of the status page, which carry its token.  Pure.

A browser sends the password of the private surface with every request to it, also with those that a page of another
site makes it send.  Such a page cannot read the token, and cannot set the header for it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

HEADER = "x-flusso-token"
ACTIONS = "/actions/"
"""What is below it is for the page, and always needs the token."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class PageToken:
    """The secret of one process, which its page knows and other sites do not."""

    def __init__(self) -> None:
        self.text = secrets.token_urlsafe(32)

    def is_in(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has it; compared in constant time."""
        return hmac.compare_digest(headers.get(HEADER, "").encode(), self.text.encode())


def refusal(method: str, path: str, headers: Mapping[str, str], token: PageToken) -> str | None:
    """Why a request is refused; None where it may pass.  `headers` have lower-case names.

    Scripts, which send neither `Origin` nor `Sec-Fetch-Site`, need no token outside of `/actions/`.
    """
    if method in _SAFE:
        return None
    if _of_another_site(headers):
        return (
            "this request comes from a page of another site; open the status page of this process"
        )
    of_a_browser = "origin" in headers or "sec-fetch-site" in headers
    if (of_a_browser or path.startswith(ACTIONS)) and not token.is_in(headers):
        return (
            "the token of the status page is missing, or of another process (this one may have been restarted);"
            " reload the page"
        )
    return None


def _of_another_site(headers: Mapping[str, str]) -> bool:
    # Browsers send `Sec-Fetch-Site` to https and to this machine only.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site != "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
