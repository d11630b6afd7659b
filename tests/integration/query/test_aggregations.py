"""What is computed over documents, against the same in Python, on a real OpenSearch of both lines."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from flusso_query import (
    Search,
    Span,
    avg,
    cardinality,
    composite,
    date_histogram,
    date_ranges,
    filtered,
    histogram,
    max_,
    min_,
    missing,
    nested,
    parents,
    percentiles,
    ranges,
    stats,
    sum_,
    terms,
    value_count,
)
from flusso_query.errors import ScopeError
from support.kits.query_kit import QueryKit
from support.query.kinds import Kinds, documents

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("query")]

K = Kinds.f
P = K.parts
DOCUMENTS = list(documents(120))
SEARCH = Search(Kinds).size(0)


def month(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC
    )


def counted(values: Iterable[Any]) -> dict[Any, int]:
    return dict(Counter(value for value in values if value is not None))


def test_values_are_counted_by_kind(kinds: QueryKit) -> None:
    state, unit, token = terms(K.state), terms(K.size.unit), terms(K.token, size=200)
    active, small, ratio = terms(K.active), terms(K.small, size=20), terms(K.ratio, size=200)
    price, day = terms(K.price, size=200), terms(K.day, size=200)
    result = kinds.client.search(
        SEARCH.aggregate(state, unit, token, active, small, ratio, price, day)
    )
    assert result[state].counts() == counted(d["state"] for d in DOCUMENTS)
    assert result[unit].counts() == counted(d["size"]["unit"] for d in DOCUMENTS)
    assert {str(key) for key in result[token].counts()} == {d["token"] for d in DOCUMENTS}
    assert result[active].counts() == counted(d["active"] for d in DOCUMENTS)
    assert result[small].counts() == counted(d["small"] for d in DOCUMENTS)
    assert result[ratio].counts() == counted(d["ratio"] for d in DOCUMENTS)
    assert result[price].counts() == counted(d["price"] for d in DOCUMENTS)
    days = {key.date().isoformat(): count for key, count in result[day].counts().items()}
    assert days == counted(d["day"] for d in DOCUMENTS)
    assert result.hits == []


def test_the_order_and_choice_of_values(kinds: QueryKit) -> None:
    largest = terms(K.small, size=3, min_doc_count=1, shard_size=50)
    mean = avg(K.ratio)
    by_mean = terms(K.state, mean, order_by=mean, direction="asc").named("by mean")
    by_key = terms(K.state, order_by="key", direction="desc").named("by key")
    by_count = terms(K.state, order_by="count", direction="asc").named("by count")
    some = terms(K.code, include="A-.*", exclude="A-004", size=200)
    result = kinds.client.search(SEARCH.aggregate(largest, by_mean, by_key, by_count, some))
    counts = Counter(d["small"] for d in DOCUMENTS)
    assert [b.count for b in result[largest]] == [count for _, count in counts.most_common(3)]
    assert result[largest].other_count == 120 - sum(b.count for b in result[largest])
    means = {
        state: statistics.mean(d["ratio"] for d in DOCUMENTS if d["state"] == state)
        for state in ("new", "open", "done")
    }
    assert [b.key for b in result[by_mean]] == sorted(means, key=lambda state: means[state])
    assert {b.key: b[mean] for b in result[by_mean]} == {
        key: pytest.approx(value) for key, value in means.items()
    }
    assert [b.key for b in result[by_key]] == ["open", "new", "done"]
    assert [b.count for b in result[by_count]] == sorted(b.count for b in result[by_count])
    assert {b.key for b in result[some]} == {
        d["code"] for d in DOCUMENTS if d["code"][0] == "A"
    } - {"A-004"}


def test_intervals_and_spans(kinds: QueryKit) -> None:
    widths = histogram(K.ratio, 10, avg(K.price), min_doc_count=1, offset=0)
    months = date_histogram(K.day, calendar_interval="month", min_doc_count=1)
    halves = date_histogram(
        K.at, fixed_interval="12h", time_zone="UTC", offset="+1h", min_doc_count=1
    )
    prices = ranges(
        K.price, [(None, Decimal("10.25")), (Decimal("10.25"), Decimal(100)), (Decimal(100), None)]
    )
    days = date_ranges(K.day, [(None, date(2024, 6, 1)), (date(2024, 6, 1), "2024-12-31||/M")])
    result = kinds.client.search(SEARCH.aggregate(widths, months, halves, prices, days))
    assert result[widths].counts() == counted(d["ratio"] // 10 * 10 for d in DOCUMENTS)
    assert result[months].counts() == counted(month(d["day"]) for d in DOCUMENTS if d["day"])
    assert {bucket.key.hour for bucket in result[halves]} == {1}
    assert sum(bucket.count for bucket in result[halves]) == 120
    assert [(bucket.key, bucket.count) for bucket in result[prices]] == [
        (Span(None, 10.25), sum(d["price"] < 10.25 for d in DOCUMENTS)),
        (Span(10.25, 100.0), sum(10.25 <= d["price"] < 100 for d in DOCUMENTS)),
        (Span(100.0, None), sum(d["price"] >= 100 for d in DOCUMENTS)),
    ]
    june = datetime(2024, 6, 1, tzinfo=UTC)
    assert [(bucket.key.start, bucket.count) for bucket in result[days]] == [
        (None, sum((d["day"] or "9") < "2024-06-01" for d in DOCUMENTS)),
        (june, sum("2024-06-01" <= (d["day"] or "") < "2024-12-01" for d in DOCUMENTS)),
    ]


def test_numbers_over_documents(kinds: QueryKit) -> None:
    least, greatest, total, mean = min_(K.medium), max_(K.medium), sum_(K.medium), avg(K.medium)
    first, last, all_, without = min_(K.at), max_(K.day), stats(K.medium), missing(K.medium)
    count, different, middle = (
        value_count(K.medium),
        cardinality(K.small, precision_threshold=100),
        percentiles(K.ratio, (25, 50), compression=200),
    )
    result = kinds.client.search(
        SEARCH.aggregate(
            least, greatest, total, mean, first, last, all_, without, count, different, middle
        )
    )
    values = [d["medium"] for d in DOCUMENTS if d["medium"] is not None]
    assert (result[least], result[greatest], result[total]) == (
        min(values),
        max(values),
        sum(values),
    )
    assert result[mean] == pytest.approx(statistics.mean(values))
    assert result[first] == min(datetime.fromisoformat(d["at"]) for d in DOCUMENTS)
    newest = result[last]
    assert newest is not None
    assert newest.date().isoformat() == max(d["day"] for d in DOCUMENTS if d["day"])
    found = result[all_]
    assert (found.count, found.min, found.max, found.sum) == (
        len(values),
        min(values),
        max(values),
        sum(values),
    )
    assert result[without].count == 120 - len(values)
    assert result[count] == len(values)
    assert result[different] == len({d["small"] for d in DOCUMENTS})
    ratios = sorted(d["ratio"] for d in DOCUMENTS)
    assert result[middle][50.0] == pytest.approx(statistics.median(ratios), abs=1)
    assert result[middle][25.0] == pytest.approx(ratios[30], abs=1)


def test_nothing_has_no_numbers(kinds: QueryKit) -> None:
    least, mean, all_, middle = min_(K.at), avg(K.medium), stats(K.medium), percentiles(K.ratio)
    none = SEARCH.filter(K.id.eq(-1)).aggregate(least, mean, all_, middle)
    result = kinds.client.search(none)
    assert (result[least], result[mean], result[all_].min, result[all_].sum) == (
        None,
        None,
        None,
        0.0,
    )
    assert set(result[middle].values()) == {None}


def test_elements_of_arrays_and_what_they_stand_in(kinds: QueryKit) -> None:
    weight = sum_(P.bits.weight)
    colors = terms(P.bits.color, weight, size=10)
    bits = nested(P.bits, colors)
    owners = parents(P)
    by_kind = terms(P.kind, owners, bits, sum_(P.count))
    parts = nested(P, by_kind)
    result = kinds.client.search(SEARCH.aggregate(parts))
    everything = [(d, part) for d in DOCUMENTS for part in d["parts"]]
    assert result[parts].count == len(everything)
    for bucket in result[parts][by_kind]:
        mine = [(d, part) for d, part in everything if part["kind"] == bucket.key]
        assert bucket.count == len(mine)
        assert bucket[owners].count == len({d["id"] for d, _ in mine})
        assert bucket[sum_(P.count)] == sum(part["count"] for _, part in mine)
        weights: dict[str, int] = defaultdict(int)
        for _, part in mine:
            for bit in part["bits"]:
                weights[bit["color"]] += bit["weight"]
        assert {inner.key: inner[weight] for inner in bucket[bits][colors]} == weights
    assert len(result[parts][by_kind]) == 3


def test_documents_that_match_too(kinds: QueryKit) -> None:
    states = terms(K.state)
    active = filtered(K.active.eq(True), states)
    facets = SEARCH.aggregate(active).post_filter(K.state.eq("open")).size(200)
    result = kinds.client.search(facets)
    assert result[active][states].counts() == counted(d["state"] for d in DOCUMENTS if d["active"])
    assert {d.state for d in result.documents} == {"open"}


def test_all_combinations_page_by_page(kinds: QueryKit) -> None:
    mean = avg(K.ratio)
    months = date_histogram(K.day, calendar_interval="month")
    groups = composite(
        mean,
        size=7,
        missing_bucket=True,
        state=K.state,
        unit=K.size.unit,
        month=months,
        wide=histogram(K.ratio, 10),
    )
    found = list(kinds.client.buckets(Search(Kinds).filter(K.active.eq(True)), groups))
    expected: dict[Any, list[float]] = defaultdict(list)
    for d in DOCUMENTS:
        if d["active"]:
            key = (
                d["state"],
                d["size"]["unit"],
                month(d["day"]) if d["day"] else None,
                d["ratio"] // 10 * 10,
            )
            expected[key].append(d["ratio"])
    by_key = {tuple(bucket.key.values()): bucket for bucket in found}
    assert len(by_key) == len(found) > 7
    assert {key: bucket.count for key, bucket in by_key.items()} == {
        key: len(values) for key, values in expected.items()
    }
    for key, bucket in by_key.items():
        assert bucket[mean] == pytest.approx(statistics.mean(expected[key]))


def test_levels_and_names_do_not_mix() -> None:
    with pytest.raises(ScopeError):
        nested(P, terms(K.state))  # type: ignore[misc]
    with pytest.raises(ScopeError):
        SEARCH.aggregate(terms(P.kind))  # type: ignore[arg-type]
    with pytest.raises(ScopeError):
        terms(K.state, avg(P.count))  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"give one another name with `\.named"):
        SEARCH.aggregate(terms(K.state), terms(K.state, size=5))
    with pytest.raises(ValueError, match="either"):
        date_histogram(K.at)
    with pytest.raises(TypeError, match="a source of `composite`"):
        composite(state=terms(K.state))
