"""What the views said of each fault when it was recorded: the file that a page of the documentation is made of.

With `FLUSSO_RECORD_FAULTS=1` the file is written; otherwise what is seen is compared with it, but for the seconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from doclib.faults import FILE

RECORDING = bool(os.environ.get("FLUSSO_RECORD_FAULTS"))


@dataclass(frozen=True)
class Seen:
    """What one view said."""

    seconds: float
    """After the fault."""
    said: list[str]


def compare(fault: str, seen: Mapping[str, Seen], well_after: float) -> None:
    """Compare with the record of the fault, or record it; `well_after` is in seconds after its cure."""
    if RECORDING:
        found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        found[fault] = _recorded(seen, well_after)
        FILE.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    recorded = json.loads(FILE.read_text(encoding="utf-8"))[fault]["views"]
    now = {view: item.said for view, item in seen.items()}
    assert now == {view: item["said"] for view, item in recorded.items()}, (
        "the words are not those of the record: run this file with FLUSSO_RECORD_FAULTS=1"
    )


def _recorded(seen: Mapping[str, Seen], well_after: float) -> dict[str, Any]:
    views = {
        view: asdict(item) | {"seconds": round(item.seconds, 1)} for view, item in seen.items()
    }
    return {"views": views, "well_after_seconds": round(well_after, 1)}
