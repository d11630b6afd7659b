"""The expressions of the Grafana dashboard, as Grafana would send them."""

from __future__ import annotations

import json
import runpy
from typing import Any

from support.stores.dev import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
_GRAFANA = MONITORING / "grafana"


def generated() -> dict[str, Any]:
    """What `dashboard.py`, which is in no package, makes."""
    return dict(runpy.run_path(str(_GRAFANA / "dashboard.py"))["dashboard"]())


def dashboard() -> dict[str, Any]:
    """The dashboard as it is in the repository."""
    return dict(json.loads((_GRAFANA / "dashboards" / "flusso.json").read_text()))


def expressions(rate_interval: str = "1m") -> dict[str, str]:
    """Panel and letter -> expression, with `All` for every variable."""
    found: dict[str, str] = {}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", rate_interval)
            for name in ("job", "instance", "index"):
                text = text.replace(f'"${name}"', '".*"')
            assert "$" not in text, text
            found[f"{panel['title']} {target['refId']}"] = text
    return found
