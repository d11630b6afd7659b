"""Makes a change fit into one Kafka message.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

from flusso_shared.change import Change, Image
from flusso_shared.errors import FatalError


def fit(
    change: Change, limit: int, keep: Collection[str], encode: Callable[[Change], bytes]
) -> tuple[Change, bytes]:
    """Leave out the largest values until the encoded change has at most `limit` bytes.

    The columns in `keep` (keys and links) stay.  Nothing is lost: documents are read back from Postgres.
    Raises `FatalError` when what has to stay is too large by itself.
    """
    value = encode(change)
    while len(value) > limit:
        columns = _largest(change, len(value) - limit, keep)
        if not columns:
            raise FatalError(
                f"the key and link columns of one row of {change.table} take {len(value)} bytes, but the topic "
                f"takes messages of {limit}; raise the topic's `max.message.bytes`, and `message.max.bytes` in "
                "[queue.properties] with it"
            )
        change = _without(change, columns)
        value = encode(change)
    return change, value


def _largest(change: Change, excess: int, keep: Collection[str]) -> set[str]:
    """The fewest columns that make up for `excess` bytes, or all that may go."""
    sizes: dict[str, int] = {}
    for image in (change.before, change.after):
        for name, value in (image or {}).items():
            if name not in keep:
                # The name stands in `omitted` from then on, so only the value counts.
                sizes[name] = sizes.get(name, 0) + len((value or "").encode())
    chosen: set[str] = set()
    for name in sorted(sizes, key=lambda each: sizes[each], reverse=True):
        if excess <= 0:
            break
        chosen.add(name)
        excess -= sizes[name]
    return chosen


def _without(change: Change, columns: Collection[str]) -> Change:
    return change._replace(
        before=_stripped(change.before, columns),
        after=_stripped(change.after, columns),
        omitted=tuple(dict.fromkeys([*change.omitted, *sorted(columns)])),
    )


def _stripped(image: Image | None, columns: Collection[str]) -> Image | None:
    if image is None:
        return None
    return {name: value for name, value in image.items() if name not in columns}
