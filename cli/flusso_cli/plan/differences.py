"""What differs between two plans of one index, the recorded one and that of the files.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flusso_cli.plan import wording
from flusso_cli.plan.announcement import Change
from flusso_shared.plan.field_paths import join_path
from flusso_shared.plan.model import Field, IndexPlan, JoinField, ObjectField
from flusso_shared.schema.hash import essence


def differences(before: IndexPlan, after: IndexPlan) -> list[Change]:
    """What differs, but for `verify_every`; in the order of the document.  Both have the names of the database."""
    return [*_of_index(before, after), *_of_fields(before.fields, after.fields, "")]


def _of_index(before: IndexPlan, after: IndexPlan) -> Iterator[Change]:
    one, other = _index_attributes(before), _index_attributes(after)
    for name in one:
        if one[name] != other[name]:
            yield Change(
                "", name, one[name] or None, other[name] or None, rebuilds=name != "description"
            )


def _index_attributes(plan: IndexPlan) -> dict[str, str]:
    return {
        "table": str(plan.root),
        "primary_key": ", ".join(plan.key),
        "soft_delete": wording.soft_delete(plan.soft_delete),
        "filters": wording.conditions(plan.filters),
        "description": plan.description,
    }


def _of_fields(before: Sequence[Field], after: Sequence[Field], above: str) -> Iterator[Change]:
    one, other = ({field.key: field for field in fields} for fields in (before, after))
    for key, field in other.items():
        path = join_path(above, key)
        if key not in one:
            yield Change(path, "", None, wording.whole(field), rebuilds=True)
        else:
            yield from _of_field(one[key], field, path)
    for key, field in one.items():
        if key not in other:
            yield Change(join_path(above, key), "", wording.whole(field), None, rebuilds=True)
    if one.keys() == other.keys() and list(one) != list(other):
        yield Change(above, "order", ", ".join(one), ", ".join(other), rebuilds=True)


def _of_field(before: Field, after: Field, path: str) -> Iterator[Change]:
    if type(before) is not type(after):
        yield Change(path, "", wording.whole(before), wording.whole(after), rebuilds=True)
        return
    told = wording.attributes(before), wording.attributes(after)
    mattering = wording.attributes(essence(before)), wording.attributes(essence(after))
    for name in dict.fromkeys([*told[0], *told[1]]):
        rebuilds = mattering[0].get(name) != mattering[1].get(name)
        if told[0].get(name) != told[1].get(name):
            yield Change(path, name, told[0].get(name), told[1].get(name), rebuilds)
    if isinstance(before, JoinField | ObjectField) and isinstance(after, JoinField | ObjectField):
        yield from _of_fields(before.fields, after.fields, path)
