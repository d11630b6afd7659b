"""An index without the fields that lack something, so that the rest of it can be checked all the same.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from flusso_shared.plan.field_paths import join_path
from flusso_shared.plan.model import Field, IndexPlan, JoinField, ObjectField


def pruned(index: IndexPlan, lacking: Collection[str]) -> IndexPlan | None:
    """`index` without the parts at the dotted paths `lacking`; None when its root or key is among them."""
    if not lacking:
        return index
    if not {"", "primary_key", "doc_id"}.isdisjoint(lacking):
        return None
    marker = {"soft_delete", "soft_delete.when"}
    return replace(
        index,
        fields=_fields(index.fields, lacking, ""),
        filters=() if "filters" in lacking else index.filters,
        soft_delete=index.soft_delete if marker.isdisjoint(lacking) else None,
    )


def _fields(fields: Iterable[Field], lacking: Collection[str], above: str) -> tuple[Field, ...]:
    kept: list[Field] = []
    for field in fields:
        path = join_path(above, field.key)
        if path in lacking:
            continue
        if isinstance(field, ObjectField | JoinField):
            field = replace(field, fields=_fields(field.fields, lacking, path))
        kept.append(field)
    return tuple(kept)
