"""What a failure test changes of the names and addresses that it has for itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.processes import SHORT_SESSIONS, Site


@pytest.fixture
def site(site: Site) -> Site:
    """The site of every test, with a short session timeout."""
    return replace(site, more=SHORT_SESSIONS)
