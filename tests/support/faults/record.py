"""What the views said of each fault when it was recorded: the file that a page of the documentation is made of.

With `FLUSSO_RECORD_FAULTS=1` the file is written.  Otherwise what was recorded is held against the words that a test waits for: the
seconds, and details such as which of several errors of a client came last, differ from run to run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
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


def compare(
    fault: str,
    words: Mapping[str, Sequence[str]],
    seen: Mapping[str, Seen],
    well_after: float,
) -> None:
    """Record what was seen, or hold the record against `words`, patterns by view; `well_after` is in seconds after the cure."""
    if RECORDING:
        found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        found[fault] = _recorded(seen, well_after)
        FILE.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    recorded = json.loads(FILE.read_text(encoding="utf-8"))[fault]["views"]
    fits = recorded.keys() == words.keys() and all(
        len(item["said"]) == len(words[view]) and all(map(re.match, words[view], item["said"]))
        for view, item in recorded.items()
    )
    assert fits, f"the record has other words, write it with FLUSSO_RECORD_FAULTS=1: {recorded}"


def _recorded(seen: Mapping[str, Seen], well_after: float) -> dict[str, Any]:
    views = {
        view: asdict(item) | {"seconds": round(item.seconds, 1)} for view, item in seen.items()
    }
    return {"views": views, "well_after_seconds": round(well_after, 1)}
