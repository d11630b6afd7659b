"""Messages of the stream -> changes to publish.  Pure, given the relations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from flusso_capture.stream.generated_columns import Evaluate, not_evaluated
from flusso_capture.stream.pgoutput import (
    UNCHANGED,
    Begin,
    DecodeError,
    Delete,
    Insert,
    Row,
    Truncate,
    Unreadable,
    UnreadableRow,
    Update,
)
from flusso_capture.stream.relations import Relations, Shape
from flusso_capture.stream.transaction_ids import Xids
from flusso_shared.change import Change, Op, Origin
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName

_Image = dict[str, str | None]

RowMessage = Insert | Update | Delete | Truncate

_NO_CHANGES: Sequence[Change] = ()


class Changes:
    """Makes the changes of one stream, transaction after transaction."""

    def __init__(
        self,
        relations: Relations,
        xids: Xids,
        origin: Origin,
        max_value_bytes: int,
        evaluate: Evaluate = not_evaluated,
    ) -> None:
        """Values longer than `max_value_bytes` are left out of images, key and link columns never.

        A row whose generated columns `evaluate` cannot tell makes no change: its table is signalled as passed over.
        """
        self._relations = relations
        self._xids = xids
        self._origin = origin
        self._limit = max_value_bytes
        self._evaluate = evaluate
        self._lost: set[int] = set()
        """Relations with rows of the transaction that make no change."""
        self._commit_lsn = 0
        self._commit_time = 0
        self._xid = 0
        self._sequence = 0
        self._unreadable: set[TableName] = set()
        """Tables of which the transaction has shown a row whose key or link columns cannot be read."""
        self._large = False
        """Whether the message in hand is so large that a value of it may be too large."""

    @property
    def timeline(self) -> int:
        """The timeline that the changes are of."""
        return self._origin.timeline

    def begin(self, message: Begin) -> None:
        """A transaction begins: what follows is of it."""
        self._commit_lsn = message.commit_lsn
        self._commit_time = message.commit_time
        self._xid = self._xids.widen(message.xid)
        self._sequence = 0
        self._unreadable.clear()
        self._lost.clear()

    def of(self, message: RowMessage, lsn: int, size: int) -> Sequence[Change]:
        """The changes that `message`, of `size` bytes at `lsn`, comes to; none for other tables."""
        self._large = size > self._limit
        if isinstance(message, Insert):
            return self._insert(message, lsn)
        if isinstance(message, Update):
            return self._update(message, lsn)
        if isinstance(message, Delete):
            return self._delete(message, lsn)
        return self._truncate(message, lsn)

    def _insert(self, message: Insert, lsn: int) -> Sequence[Change]:
        shape = self._relations.shape(message.relation)
        if shape is None:
            return _NO_CHANGES
        row = self._row(shape, message.new, lsn)
        if not self._completed(shape, row):
            return self._lose(message.relation)
        after, omitted = self._image(shape, row)
        return (self._change(Op.CREATE, shape, _key(shape, row), None, after, omitted, lsn),)

    def _update(self, message: Update, lsn: int) -> Sequence[Change]:
        """One change; two, a delete and a create, when the primary key changed."""
        shape = self._relations.shape(message.relation)
        if shape is None:
            return _NO_CHANGES
        row = self._row(shape, message.new, lsn)
        old = message.old
        if old is None:
            if not self._completed(shape, row):
                return self._lose(message.relation)
            after, omitted = self._image(shape, row)
            key = _key(shape, row)
            return (self._change(Op.UPDATE, shape, key, None, after, omitted, lsn),)
        old = self._row(shape, old, lsn)
        if not self._old_completed(shape, old, message.full):
            return self._lose(message.relation)
        before, omitted_before = self._old_image(shape, old, message.full)
        _fill_unchanged(shape, row, before)
        if not self._completed(shape, row):
            return self._lose(message.relation)
        after, omitted = self._image(shape, row)
        key, old_key = _key(shape, row), self._old_key(shape, before, row)
        if old_key == key:
            both = _union(omitted, omitted_before)
            return (self._change(Op.UPDATE, shape, key, before, after, both, lsn),)
        return (
            self._change(Op.DELETE, shape, old_key, before, None, omitted_before, lsn),
            self._change(Op.CREATE, shape, key, None, after, omitted, lsn),
        )

    def _delete(self, message: Delete, lsn: int) -> Sequence[Change]:
        shape = self._relations.shape(message.relation)
        if shape is None:
            return _NO_CHANGES
        old = self._row(shape, message.old, lsn)
        if not self._old_completed(shape, old, message.full):
            return self._lose(message.relation)
        before, omitted = self._old_image(shape, old, message.full)
        key = self._old_key(shape, before, None)
        return (self._change(Op.DELETE, shape, key, before, None, omitted, lsn),)

    def _truncate(self, message: Truncate, lsn: int) -> Sequence[Change]:
        """One change per table of the plan."""
        shapes = [self._relations.shape(relation) for relation in message.relations]
        return [
            self._change(Op.TRUNCATE, shape, (), None, None, (), lsn)
            for shape in shapes
            if shape is not None
        ]

    def _completed(self, shape: Shape, row: Row) -> bool:
        """Append the generated columns that the log left out; false when they cannot be told."""
        computed = shape.computed
        if computed is None:
            return True
        values = tuple([row[position] for position in computed.inputs])
        if UNCHANGED in values:
            return False
        found = self._evaluate(computed, cast("tuple[str | None, ...]", values))
        if found is None:
            return False
        row.extend(found)
        return True

    def _old_completed(self, shape: Shape, row: Row, full: bool) -> bool:
        """The same of an old row, in which key-only ones need no more than the key."""
        if shape.computed is None:
            return True
        if full or shape.old_computed:
            return self._completed(shape, row)
        return not shape.key_computed

    def _lose(self, relation: int) -> Sequence[Change]:
        if relation not in self._lost:
            self._lost.add(relation)
            self._relations.lose(relation)
        return _NO_CHANGES

    def _change(
        self,
        op: Op,
        shape: Shape,
        key: tuple[str, ...],
        before: _Image | None,
        after: _Image | None,
        omitted: tuple[str, ...],
        lsn: int,
    ) -> Change:
        sequence = self._sequence
        self._sequence = sequence + 1
        return Change(
            op,
            shape.table,
            key,
            before,
            after,
            omitted,
            lsn,
            self._commit_lsn,
            self._commit_time,
            self._xid,
            sequence,
            self._origin,
        )

    def _row(self, shape: Shape, row: Row, lsn: int) -> Row:
        if len(row) != shape.sent:
            raise DecodeError(
                f"the replication stream has a row of {len(row)} columns for table {shape.table}, "
                f"which it described with {shape.sent}"
            )
        return self._without_unreadable(shape, row, lsn) if type(row) is UnreadableRow else row

    def _without_unreadable(self, shape: Shape, row: Row, lsn: int) -> Row:
        """The row with what can be read of it: other values are left out, those of key and link columns spelled.

        The latter lead to no row, or to one that is built once more than needed.
        """
        known: Row = []
        lost: list[str] = []
        for position, (name, value) in enumerate(
            zip(shape.columns[: shape.sent], row, strict=True)
        ):
            if not isinstance(value, Unreadable):
                known.append(value)
            elif name in shape.kept or position in shape.identity:
                known.append(str(value))
                lost.append(name)
            else:
                known.append(UNCHANGED)
        if lost and shape.table not in self._unreadable:
            self._unreadable.add(shape.table)
            self._relations.unreadable(shape, tuple(lost), lsn)
        return known

    def _image(self, shape: Shape, row: Row) -> tuple[_Image, tuple[str, ...]]:
        """The row by column names, and what is not in it."""
        image = dict(zip(shape.columns, row, strict=True))
        if not self._large and UNCHANGED not in row:
            return cast("_Image", image), ()
        omitted = [name for name, value in image.items() if self._left_out(shape, name, value)]
        for name in omitted:
            del image[name]
        return cast("_Image", image), tuple(omitted)

    def _left_out(self, shape: Shape, name: str, value: object) -> bool:
        if value is None:
            return False
        if value is UNCHANGED:
            return True
        text = cast("str", value)
        # A character takes four bytes at most: encoding is needed near the limit only.
        if 4 * len(text) <= self._limit:
            return False
        return name not in shape.kept and len(text.encode()) > self._limit

    def _old_image(self, shape: Shape, row: Row, full: bool) -> tuple[_Image, tuple[str, ...]]:
        if full:
            return self._image(shape, row)
        # Columns outside the identity are sent as NULL, which they need not have been.
        columns = shape.columns
        image = {columns[n]: cast("str | None", row[n]) for n in shape.identity}
        return image, ()

    def _old_key(self, shape: Shape, before: _Image, row: Row | None) -> tuple[str, ...]:
        """The key before the change; columns outside the identity cannot have been read, only kept."""
        values: list[str] = []
        for position in shape.key:
            value = before.get(shape.columns[position])
            if value is None and row is not None:
                value = cast("str | None", row[position])
            if value is None:
                raise FatalError(_no_key(shape))
            values.append(value)
        return tuple(values)


def _key(shape: Shape, row: Row) -> tuple[str, ...]:
    key = tuple([row[position] for position in shape.key])
    for value in key:
        if not isinstance(value, str):
            raise FatalError(_no_key(shape))
    return cast("tuple[str, ...]", key)


def _fill_unchanged(shape: Shape, row: Row, before: _Image) -> None:
    """Take key and link values that were not sent again from the old row."""
    if UNCHANGED not in row:
        return
    for position, name in enumerate(shape.columns[: shape.sent]):
        if row[position] is UNCHANGED and name in shape.kept and name in before:
            row[position] = before[name]


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second)) if second else first


def _no_key(shape: Shape) -> str:
    columns = ", ".join(shape.columns[position] for position in shape.key)
    return (
        f"a change of table {shape.table} came without its primary key ({columns}): its replica "
        f"identity does not hold it.  Run ALTER TABLE {shape.table} REPLICA IDENTITY FULL; changes "
        "written before that cannot be read: drop the slot, and start again to build the indexes anew"
    )
