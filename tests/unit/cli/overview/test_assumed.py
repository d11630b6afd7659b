"""Generations by the names of consumer groups."""

from __future__ import annotations

from flusso_cli.overview.assumed import assumed
from flusso_shared.plan.model import Plan
from support.stores.small import PLAN


def found(*groups: str) -> list[str]:
    plan = Plan((PLAN,))
    return [item.name.physical for item in assumed(plan, "shop_", "flusso", groups)]


GROUP = f"flusso.shop_{PLAN.name}_{PLAN.hash}"


def test_the_newest_generation_of_the_schema_counts() -> None:
    assert found(f"{GROUP}_2", f"{GROUP}_10", f"{GROUP}_9") == [f"shop_{PLAN.name}_{PLAN.hash}_10"]


def test_groups_of_others_are_passed_over() -> None:
    others = [
        f"flusso.{PLAN.name}_{PLAN.hash}_1",
        f"other.shop_{PLAN.name}_{PLAN.hash}_1",
        f"flusso.shop_{PLAN.name}_00000000_1",
        f"{GROUP}_1_more",
        f"{GROUP}_",
        "console-consumer-1",
    ]
    assert found(*others) == []
