"""The ways from each table of a document tree up to its root.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flusso_shared.names import TableName
from flusso_shared.plan import (
    AggregateField,
    Columns,
    Edge,
    Field,
    Hop,
    JoinField,
    ObjectField,
    Way,
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One edge of the tree, seen from below: how rows under it find the level above."""

    parent: TableName
    edge: Edge


def ways(root: TableName, key: Columns, fields: Iterable[Field]) -> tuple[Way, ...]:
    """Every way, the root's own first; of equal ways (two fields over one relation) the first only."""
    found = [Way(root, key, (), "")]
    seen: set[tuple[TableName, Columns, tuple[Hop, ...]]] = {(root, key, ())}
    for way in _below(fields, root, key, (), ""):
        same = (way.table, way.columns, way.hops)
        if same not in seen:
            seen.add(same)
            found.append(way)
    return tuple(found)


def _below(
    fields: Iterable[Field], table: TableName, key: Columns, up: tuple[_Step, ...], path: str
) -> Iterator[Way]:
    """Ways that start under rows of `table`; `up` leads from there to the root, nearest first."""
    for field in fields:
        name = f"{path}.{field.key}" if path else field.key
        if isinstance(field, ObjectField):
            yield from _below(field.fields, table, key, up, name)
        elif isinstance(field, JoinField | AggregateField):
            steps = (_Step(table, field.edge), *up)
            yield from _of_edge(field.edge, steps, key, name)
            if isinstance(field, JoinField):
                yield from _below(field.fields, field.edge.table, key, steps, name)


def _of_edge(edge: Edge, steps: tuple[_Step, ...], key: Columns, path: str) -> Iterator[Way]:
    junction = edge.junction
    if junction is not None:
        yield Way(junction.table, junction.left, _climb(steps, edge.parent, key), path)
        over = Hop(junction.table, junction.right, junction.left)
        yield Way(edge.table, edge.child, (over, *_climb(steps, edge.parent, key)), path)
    else:
        yield Way(edge.table, edge.child, _climb(steps, edge.parent, key), path)


def _climb(steps: tuple[_Step, ...], in_hand: Columns, key: Columns) -> tuple[Hop, ...]:
    """Hops from values of the nearest parent's columns `in_hand` up to the root's key."""
    hops: list[Hop] = []
    for at, step in enumerate(steps):
        above = steps[at + 1].edge if at + 1 < len(steps) else None
        # What the parent's own link to the level above is made of; at the root, its key.
        needed = key if above is None else above.child
        if in_hand != needed:
            hops.append(Hop(step.parent, in_hand, needed))
        if above is not None and above.junction is not None:
            hops.append(Hop(above.junction.table, above.junction.right, above.junction.left))
        if above is not None:
            in_hand = above.parent
    return tuple(hops)
