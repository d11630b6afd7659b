"""The structural hash of a schema: over all that changes documents or mapping, and nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def structural_hash(value: Any) -> str:
    """8 lower-case hex digits of SHA-256 over canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
