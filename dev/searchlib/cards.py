"""What a page of results shows of a product: only these fields are fetched."""

from __future__ import annotations

from decimal import Decimal

from flusso_query import Document
from searchlib.documents import Products, ProductsPricing, ProductsTags


class ProductCard(Document, index=Products):
    """A product in a list."""

    id: int
    sku: str
    name: str
    description: str | None
    inStock: bool
    pricing: ProductsPricing
    tags: list[ProductsTags]
    reviewCount: int
    avgRating: Decimal | None
