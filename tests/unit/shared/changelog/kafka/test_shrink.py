"""A change always fits into a message, at the cost of values that documents are not made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.change import Change, Op
from flusso_shared.changelog.codec import encode
from flusso_shared.changelog.kafka.shrink import fit
from flusso_shared.errors import FatalError
from support.kits.change_logs import USERS

KEEP = ("id", "owner_id")


def wide(**values: str) -> Change:
    row = {"id": "1", "owner_id": "2", **values}
    return Change(Op.UPDATE, USERS, ("1",), dict(row), row)


def test_what_fits_stays_as_it_is() -> None:
    change = wide(text="x" * 100)
    assert fit(change, 10_000, KEEP, encode) == (change, encode(change))


def test_the_largest_values_go_first_and_are_listed() -> None:
    change, value = fit(
        wide(small="x" * 100, huge="x" * 9000, large="x" * 2000), 5000, KEEP, encode
    )
    assert change.omitted == ("huge",)
    assert len(value) <= 5000
    for image in (change.before, change.after):
        assert image is not None
        assert set(image) == {"id", "owner_id", "small", "large"}


def test_keys_and_links_stay_even_when_they_are_the_largest() -> None:
    row = wide(text="x" * 800)
    change, _ = fit(
        row._replace(after={"id": "1", "owner_id": "y" * 900, "text": "x" * 800}),
        1500,
        KEEP,
        encode,
    )
    assert change.omitted == ("text",)


def test_a_link_too_large_by_itself_names_the_remedy() -> None:
    change = Change(Op.UPDATE, USERS, ("1",), None, {"id": "1", "owner_id": "y" * 9000})
    with pytest.raises(FatalError, match=r"max\.message\.bytes"):
        fit(change, 5000, KEEP, encode)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.text(max_size=3000)))
def test_the_result_always_fits(values: dict[str, str]) -> None:
    change, value = fit(wide(**values), 1500, KEEP, encode)
    assert len(value) <= 1500
    assert value == encode(change)
    assert change.after is not None
    assert {*change.after, *change.omitted} == {"id", "owner_id", *values}
