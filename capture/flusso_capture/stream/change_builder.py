"""Builds the changes to publish from messages of the stream.  Pure, given the relations."""

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
from flusso_capture.stream.relations import Relations, RowLayout
from flusso_capture.stream.row_encoder import RowEncoder, Transaction
from flusso_capture.stream.transaction_ids import TransactionIds
from flusso_shared.change import Change, EncodedChange, Op, Origin
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName

_Image = dict[str, str | None]

RowMessage = Insert | Update | Delete | Truncate

_NO_CHANGES: Sequence[Change] = ()


class ChangeBuilder:
    """Builds the changes of one stream session, transaction after transaction."""

    def __init__(
        self,
        relations: Relations,
        xids: TransactionIds,
        origin: Origin,
        max_value_bytes: int,
        evaluate: Evaluate = not_evaluated,
        encoder: RowEncoder | None = None,
    ) -> None:
        """Values longer than `max_value_bytes` are left out of images, except key and link columns.

        An `encoder` makes records of what is plain, for a log that takes them.  A row whose generated columns `evaluate` cannot compute has no change; its table is signalled as passed over.
        """
        self._relations = relations
        self._xids = xids
        self._origin = origin
        self._limit = max_value_bytes
        self._evaluate = evaluate
        self._passed_over: set[int] = set()
        """Relations with rows, in this transaction, that have no change."""
        self._encoder = encoder
        self.transaction = Transaction(0, 0, 0)
        """The one that is being received."""
        self._sequence = 0
        self._unreadable: set[TableName] = set()
        """Tables with a row, in this transaction, whose key or link columns are not valid text."""
        self._large = False
        """Whether the current message is larger than the limit, so that a value may be too large."""

    @property
    def timeline(self) -> int:
        """The timeline of the changes."""
        return self._origin.timeline

    def begin_transaction(self, message: Begin) -> None:
        """A transaction begins; the following messages belong to it."""
        xid = self._xids.widen(message.xid)
        self.transaction = Transaction(message.commit_lsn, message.commit_time, xid)
        self._sequence = 0
        self._unreadable.clear()
        self._passed_over.clear()

    def encode(self, payload: bytes, lsn: int) -> EncodedChange | None:
        """The record of a message that begins at `lsn`; None for one that is to be decoded, and to be given to `build`."""
        if self._encoder is None:
            return None
        record = self._encoder.encode(payload, lsn, self.transaction, self._sequence)
        if record is not None:
            self._sequence += 1
        return record

    def build(self, message: RowMessage, lsn: int, size: int) -> Sequence[Change]:
        """The changes of `message`, which has `size` bytes and begins at `lsn`; none for tables outside the plan.

        Raises `DecodeError`, and `FatalError` when a row has no primary key.
        """
        self._large = size > self._limit
        if isinstance(message, Insert):
            return self._insert(message, lsn)
        if isinstance(message, Update):
            return self._update(message, lsn)
        if isinstance(message, Delete):
            return self._delete(message, lsn)
        return self._truncate(message, lsn)

    def _insert(self, message: Insert, lsn: int) -> Sequence[Change]:
        layout = self._relations.layout(message.relation)
        if layout is None:
            return _NO_CHANGES
        row = self._row(layout, message.new, lsn)
        if not self._completed(layout, row):
            return self._pass_over(message.relation)
        after, omitted = self._image(layout, row)
        return (self._change(Op.CREATE, layout, _key(layout, row), None, after, omitted, lsn),)

    def _update(self, message: Update, lsn: int) -> Sequence[Change]:
        """One change; two, a delete and a create, when the primary key changed."""
        layout = self._relations.layout(message.relation)
        if layout is None:
            return _NO_CHANGES
        row = self._row(layout, message.new, lsn)
        old = message.old
        if old is None:
            if not self._completed(layout, row):
                return self._pass_over(message.relation)
            after, omitted = self._image(layout, row)
            key = _key(layout, row)
            return (self._change(Op.UPDATE, layout, key, None, after, omitted, lsn),)
        old = self._row(layout, old, lsn)
        if not self._old_completed(layout, old, message.full):
            return self._pass_over(message.relation)
        before, omitted_before = self._old_image(layout, old, message.full)
        _fill_unchanged(layout, row, before)
        if not self._completed(layout, row):
            return self._pass_over(message.relation)
        after, omitted = self._image(layout, row)
        key, old_key = _key(layout, row), self._old_key(layout, before, row)
        if old_key == key:
            both = _union(omitted, omitted_before)
            return (self._change(Op.UPDATE, layout, key, before, after, both, lsn),)
        return (
            self._change(Op.DELETE, layout, old_key, before, None, omitted_before, lsn),
            self._change(Op.CREATE, layout, key, None, after, omitted, lsn),
        )

    def _delete(self, message: Delete, lsn: int) -> Sequence[Change]:
        layout = self._relations.layout(message.relation)
        if layout is None:
            return _NO_CHANGES
        old = self._row(layout, message.old, lsn)
        if not self._old_completed(layout, old, message.full):
            return self._pass_over(message.relation)
        before, omitted = self._old_image(layout, old, message.full)
        key = self._old_key(layout, before, None)
        return (self._change(Op.DELETE, layout, key, before, None, omitted, lsn),)

    def _truncate(self, message: Truncate, lsn: int) -> Sequence[Change]:
        """One change per table of the plan."""
        layouts = [self._relations.layout(relation) for relation in message.relations]
        return [
            self._change(Op.TRUNCATE, layout, (), None, None, (), lsn)
            for layout in layouts
            if layout is not None
        ]

    def _completed(self, layout: RowLayout, row: Row) -> bool:
        """Append the generated columns that the log does not contain; False when they cannot be computed."""
        computed = layout.computed
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

    def _old_completed(self, layout: RowLayout, row: Row, full: bool) -> bool:
        """The same for an old row; a key-only row needs only the columns of the key."""
        if layout.computed is None:
            return True
        if full or layout.old_computed:
            return self._completed(layout, row)
        return not layout.key_computed

    def _pass_over(self, relation: int) -> Sequence[Change]:
        if relation not in self._passed_over:
            self._passed_over.add(relation)
            self._relations.pass_over(relation)
        return _NO_CHANGES

    def _change(
        self,
        op: Op,
        layout: RowLayout,
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
            layout.table,
            key,
            before,
            after,
            omitted,
            lsn,
            *self.transaction,
            sequence,
            self._origin,
        )

    def _row(self, layout: RowLayout, row: Row, lsn: int) -> Row:
        if len(row) != layout.sent:
            raise DecodeError(
                f"the replication stream has a row of {len(row)} columns for table {layout.table}, "
                f"which it described with {layout.sent}"
            )
        return self._without_unreadable(layout, row, lsn) if type(row) is UnreadableRow else row

    def _without_unreadable(self, layout: RowLayout, row: Row, lsn: int) -> Row:
        """The row without its unreadable values; in key and link columns, they are written with `\\xNN`.

        Such a key matches no row, or a row whose document is then built once more than needed.
        """
        known: Row = []
        lost: list[str] = []
        for position, (name, value) in enumerate(
            zip(layout.columns[: layout.sent], row, strict=True)
        ):
            if not isinstance(value, Unreadable):
                known.append(value)
            elif name in layout.kept or position in layout.identity:
                known.append(str(value))
                lost.append(name)
            else:
                known.append(UNCHANGED)
        if lost and layout.table not in self._unreadable:
            self._unreadable.add(layout.table)
            self._relations.unreadable(layout, tuple(lost), lsn)
        return known

    def _image(self, layout: RowLayout, row: Row) -> tuple[_Image, tuple[str, ...]]:
        """The row by column names, and the names of the omitted columns."""
        image = dict(zip(layout.columns, row, strict=True))
        if not self._large and UNCHANGED not in row:
            return cast("_Image", image), ()
        omitted = [name for name, value in image.items() if self._left_out(layout, name, value)]
        for name in omitted:
            del image[name]
        return cast("_Image", image), tuple(omitted)

    def _left_out(self, layout: RowLayout, name: str, value: object) -> bool:
        if value is None:
            return False
        if value is UNCHANGED:
            return True
        text = cast("str", value)
        # A character has at most four bytes in UTF-8, so only values near the limit are encoded.
        if 4 * len(text) <= self._limit:
            return False
        return name not in layout.kept and len(text.encode()) > self._limit

    def _old_image(self, layout: RowLayout, row: Row, full: bool) -> tuple[_Image, tuple[str, ...]]:
        if full:
            return self._image(layout, row)
        # Columns outside the identity are sent as NULL, whatever their value was.
        columns = layout.columns
        image = {columns[n]: cast("str | None", row[n]) for n in layout.identity}
        return image, ()

    def _old_key(self, layout: RowLayout, before: _Image, row: Row | None) -> tuple[str, ...]:
        """The key before the change.  Columns outside the identity have not changed, so the new row has their values."""
        values: list[str] = []
        for position in layout.key:
            value = before.get(layout.columns[position])
            if value is None and row is not None:
                value = cast("str | None", row[position])
            if value is None:
                raise FatalError(_no_key(layout))
            values.append(value)
        return tuple(values)


def _key(layout: RowLayout, row: Row) -> tuple[str, ...]:
    key = tuple([row[position] for position in layout.key])
    for value in key:
        if not isinstance(value, str):
            raise FatalError(_no_key(layout))
    return cast("tuple[str, ...]", key)


def _fill_unchanged(layout: RowLayout, row: Row, before: _Image) -> None:
    """Copy key and link values that were not sent again from the old row."""
    if UNCHANGED not in row:
        return
    for position, name in enumerate(layout.columns[: layout.sent]):
        if row[position] is UNCHANGED and name in layout.kept and name in before:
            row[position] = before[name]


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second)) if second else first


def _no_key(layout: RowLayout) -> str:
    columns = ", ".join(layout.columns[position] for position in layout.key)
    return (
        f"a change of table {layout.table} came without its primary key ({columns}): its replica "
        f"identity does not hold it.  Run ALTER TABLE {layout.table} REPLICA IDENTITY FULL; changes "
        "written before that cannot be read: drop the slot, and start again to rebuild the indexes"
    )
