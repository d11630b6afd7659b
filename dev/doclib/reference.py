"""The parts of the reference that are made from the code: `<!-- made from the code: NAME -->` in a page stands for one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from doclib import client_reference, command_reference, faults, json_schema_reference
from flusso_shared import metrics
from flusso_shared.process.log_actions import ACTIONS

_MARK = re.compile(r"<!-- made from the code: ([\w-]+) -->")


def filled_in(page: str) -> str:
    """The page with its parts."""
    return _MARK.sub(lambda found: PARTS[found[1]](), page)


def _metrics() -> str:
    kinds: tuple[tuple[str, Mapping[Any, metrics.Spec]], ...] = (
        ("counter", metrics.COUNTERS),
        ("gauge", metrics.GAUGES),
        ("histogram", metrics.HISTOGRAMS),
    )
    rows = [
        f"| `{name}` | {kind} | {', '.join(spec.fed_by)} | "
        f"{', '.join(f'`{label}`' for label in spec.labels)} | {spec.meaning} |"
        for kind, table in kinds
        for name, spec in table.items()
    ]
    head = ["| metric | type | from | labels | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *sorted(rows)])


def _log_actions() -> str:
    rows = [f"| `{name}` | {action.meaning} | {action.do} |" for name, action in ACTIONS.items()]
    return "\n".join(["| action | meaning | what to do |", "|---|---|---|", *sorted(rows)])


PARTS: Mapping[str, Callable[[], str]] = {
    "flusso-toml": json_schema_reference.config_keys,
    "schema-yml": json_schema_reference.index_keys,
    "command-line": command_reference.commands,
    "client": client_reference.names,
    "environment": command_reference.variables,
    "log-actions": _log_actions,
    "metrics": _metrics,
    "faults": faults.overview,
    **{f"fault-{name}": partial(faults.table, name) for name in faults.recorded()},
}
"""Name of a part -> what makes it, as Markdown."""
