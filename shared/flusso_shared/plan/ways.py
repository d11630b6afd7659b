"""The ways from each table of a document tree up to its root.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flusso_shared.names import TableName
from flusso_shared.plan.field_paths import join_path
from flusso_shared.plan.link_columns import Place, SameText
from flusso_shared.plan.model import (
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


def _always(given: Place, wanted: Place, as_key: bool) -> bool:
    return True


def ways(
    root: TableName, key: Columns, fields: Iterable[Field], same_text: SameText = _always
) -> tuple[Way, ...]:
    """Every way, the root's own first; of equal ways (two fields over one relation) the first only.

    Where the parent's columns that a value is compared with are all that is needed of the parent, the value stands
    for them, if `same_text` says so; else the parent's row is looked up.
    """
    found = [Way(root, key, (), "")]
    seen: set[tuple[TableName, Columns, tuple[Hop, ...]]] = {(root, key, ())}
    below = _Ways(key, same_text)
    for way in below.under(fields, root, (), ""):
        same = (way.table, way.columns, way.hops)
        if same not in seen:
            seen.add(same)
            found.append(way)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Ways:
    """Makes the ways to one root."""

    key: Columns
    same_text: SameText

    def under(
        self, fields: Iterable[Field], table: TableName, up: tuple[_Step, ...], path: str
    ) -> Iterator[Way]:
        """Ways that start under rows of `table`; `up` leads from there to the root, nearest first."""
        for field in fields:
            name = join_path(path, field.key)
            if isinstance(field, ObjectField):
                yield from self.under(field.fields, table, up, name)
            elif isinstance(field, JoinField | AggregateField):
                steps = (_Step(table, field.edge), *up)
                yield from self._of_edge(field.edge, steps, name)
                if isinstance(field, JoinField):
                    yield from self.under(field.fields, field.edge.table, steps, name)

    def _of_edge(self, edge: Edge, steps: tuple[_Step, ...], path: str) -> Iterator[Way]:
        junction = edge.junction
        if junction is not None:
            left = Place(junction.table, junction.left)
            climb = self._climb(steps, left)
            yield Way(*left, climb, path)
            over = Hop(junction.table, junction.right, junction.left)
            yield Way(edge.table, edge.child, (over, *climb), path)
        else:
            yield Way(
                edge.table, edge.child, self._climb(steps, Place(edge.table, edge.child)), path
            )

    def _climb(self, steps: tuple[_Step, ...], in_hand: Place) -> tuple[Hop, ...]:
        """Hops from values of `in_hand`, which the nearest parent is found by, up to the root's key."""
        hops: list[Hop] = []
        for at, step in enumerate(steps):
            above = steps[at + 1].edge if at + 1 < len(steps) else None
            # What the parent's own link to the level above is made of; at the root, its key.
            needed = self.key if above is None else above.child
            parent = Place(step.parent, step.edge.parent)
            if parent.columns != needed or not self.same_text(in_hand, parent, above is None):
                hops.append(Hop(step.parent, step.edge.parent, needed))
                in_hand = Place(step.parent, needed)
            if above is not None and above.junction is not None:
                over = above.junction
                hops.append(Hop(over.table, over.right, over.left))
                in_hand = Place(over.table, over.left)
        return tuple(hops)
