"""The only reader of the process' environment."""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """The environment as it is now."""
    return dict(os.environ)
