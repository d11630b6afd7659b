"""What visitors of the search page ask for, as searches, and what the page gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

from flusso_query import (
    Aggregation,
    Client,
    Computed,
    Highlight,
    Hit,
    Query,
    Root,
    Search,
    Sort,
    and_,
    filtered,
    match_all,
    multi_match,
    nested,
    parents,
    ranges,
    terms,
    when,
)
from searchlib.cards import ProductCard
from searchlib.documents import Products

PAGE = 12
MARKS = ("\ue000", "\ue001")
"""Around each word that was searched for: characters without a meaning, so that no text has them."""
_MOST_SUGGESTIONS = 8
_LAST_PAGE = 10_000 // PAGE
"""OpenSearch gives the first 10,000 hits of a search."""
_BANDS: Mapping[str, tuple[Decimal | None, Decimal | None]] = {
    "under 20": (None, Decimal(20)),
    "20 to 50": (Decimal(20), Decimal(50)),
    "50 to 100": (Decimal(50), Decimal(100)),
    "100 and more": (Decimal(100), None),
}
Order = Literal["relevance", "name", "price", "rating", "newest"]

p = Products.f
_INSIDE = parents(p.tags)
_TAGS = terms(p.tags.label, _INSIDE, size=20, order_by="key", direction="asc")
_ALL_TAGS = nested(p.tags, _TAGS)
_STOCK = terms(p.inStock)
_PRICES = ranges(p.pricing.amount, list(_BANDS.values()))


@dataclass(frozen=True)
class Asked:
    """What a visitor asks for."""

    text: str = ""
    tags: tuple[str, ...] = ()
    """Products have all of them."""
    in_stock: bool | None = None
    price: str | None = None
    """One of the bands."""
    order: Order = "relevance"
    page: int = 1

    def facets(self) -> dict[str, Query[Root] | None]:
        """What was chosen, by facet."""
        return {
            "tags": and_(*(p.tags.any(p.tags.label.eq(label)) for label in self.tags)),
            "stock": when(self.in_stock, p.inStock.eq),
            "price": _in_band(self.price),
        }


def search(asked: Asked) -> Search[ProductCard]:
    """One page of products, with the counts of each facet.

    A facet counts what its other values would find: with what was chosen in the others, and not in itself.
    """
    chosen = asked.facets()
    found = (
        Search(ProductCard)
        .query(when(asked.text or None, _words))
        .post_filter(and_(*chosen.values()))
        .sort(*_sorts(asked))
        .size(PAGE)
        .from_((asked.page - 1) * PAGE)
        .aggregate(*_counts(chosen).values())
    )
    return found.highlight(*_shown()) if asked.text else found


class Catalog:
    """Answers visitors."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def page(self, asked: Asked) -> dict[str, Any]:
        """Products and facets, as JSON."""
        result = self._client.search(search(asked))
        total = result.total or 0
        counted = {name: result[item] for name, item in _counts(asked.facets()).items()}
        return {
            "total": total,
            "page": asked.page,
            "pages": min(max(1, -(-total // PAGE)), _LAST_PAGE),
            "hits": [_card(hit) for hit in result.hits],
            "facets": {
                "tags": {
                    bucket.key: bucket[_INSIDE].count
                    for bucket in counted["tags"][_ALL_TAGS][_TAGS]
                },
                "stock": {
                    "true" if bucket.key else "false": bucket.count
                    for bucket in counted["stock"][_STOCK]
                },
                "price": {
                    name: bucket.count
                    for name, bucket in zip(_BANDS, counted["price"][_PRICES], strict=True)
                },
            },
        }

    def suggestions(self, text: str) -> list[str]:
        """Names whose words begin as the text says."""
        if not text.strip():
            return []
        begun = Search(ProductCard).query(p.name.match_bool_prefix(text, operator="AND"))
        result = self._client.search(begun.size(_MOST_SUGGESTIONS))
        return list(dict.fromkeys(card.name for card in result.documents))

    def product(self, id_: str) -> dict[str, Any] | None:
        """A whole product, as JSON; None when there is none."""
        found = self._client.get(Products, id_)
        return None if found is None else found.model_dump(mode="json", by_alias=True)


def asked(given: Mapping[str, str], tags: list[str]) -> Asked:
    """From the parameters of a request; raises `ValueError` for what cannot be asked."""
    order = given.get("sort", "relevance")
    if order not in get_args(Order):
        raise ValueError(f"`sort` is one of {', '.join(get_args(Order))}")
    price = given.get("price") or None
    if price is not None and price not in _BANDS:
        raise ValueError(f"`price` is one of {', '.join(_BANDS)}")
    stock = given.get("stock", "")
    if stock not in ("", "true", "false"):
        raise ValueError("`stock` is true or false")
    page = given.get("page", "1")
    if not page.isdecimal() or not 1 <= int(page) <= _LAST_PAGE:
        raise ValueError(f"`page` is a number from 1 to {_LAST_PAGE}")
    return Asked(
        text=given.get("q", "").strip(),
        tags=tuple(tags),
        in_stock=None if not stock else stock == "true",
        price=price,
        order=next(item for item in get_args(Order) if item == order),
        page=int(page),
    )


def _words(text: str) -> Query[Root]:
    by_words = multi_match(text, [p.name.boosted(3), p.description.boosted(1)], fuzziness="AUTO")
    return by_words | p.sku.eq(text, case_insensitive=True).boost(10)


def _in_band(name: str | None) -> Query[Root] | None:
    least, limit = _BANDS.get(name or "", (None, None))
    return and_(when(least, p.pricing.amount.gte), when(limit, p.pricing.amount.lt))


def _sorts(asked: Asked) -> list[Sort]:
    by: dict[Order, list[Sort]] = {
        "relevance": [] if asked.text else [p.avgRating.desc(missing="_last")],
        "name": [p.name.asc()],
        "price": [p.pricing.amount.asc()],
        "rating": [p.avgRating.desc(missing="_last")],
        "newest": [p.createdAt.desc()],
    }
    # The last one decides where all others are equal, so that no product is on two pages.
    return [*by[asked.order], p.id.asc()] if by[asked.order] else []


def _counts(
    chosen: Mapping[str, Query[Root] | None],
) -> dict[str, Aggregation[Root, Computed]]:
    counted: dict[str, Aggregation[Root, Any]] = {
        "tags": _ALL_TAGS,
        "stock": _STOCK,
        "price": _PRICES,
    }
    return {
        name: filtered(_others(chosen, name), item).named(name) for name, item in counted.items()
    }


def _others(chosen: Mapping[str, Query[Root] | None], name: str) -> Query[Root]:
    """What was chosen in the other facets; of tags a product may have several, so a further one narrows."""
    others = and_(*(query for facet, query in chosen.items() if facet != name or name == "tags"))
    return match_all() if others is None else others


def _shown() -> list[Highlight]:
    pre, post = MARKS
    return [
        Highlight(field, pre_tag=pre, post_tag=post, number_of_fragments=0)
        for field in (p.name, p.description)
    ]


def _card(hit: Hit[ProductCard]) -> dict[str, Any]:
    card = hit.document
    name, description = (
        next(iter(hit.highlight(field)), text)
        for field, text in ((p.name, card.name), (p.description, card.description))
    )
    return {
        "id": hit.id,
        "score": hit.score,
        "sku": card.sku,
        "name": name,
        "description": description,
        "price": f"{card.pricing.amount:.2f} {card.pricing.currency}",
        "inStock": card.inStock,
        "tags": [tag.label for tag in card.tags],
        "reviews": card.reviewCount,
        "rating": None if card.avgRating is None else round(float(card.avgRating), 1),
    }
