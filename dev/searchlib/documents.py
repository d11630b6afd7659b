"""Models of documents, and handles of their fields.

Made by `flusso models generate`: change the schema, and generate again.
"""

# ruff: noqa
# fmt: off

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Literal

from flusso_query import (
    Bool,
    Date,
    Document,
    Enum,
    Fields,
    Fragment,
    Keyword,
    Nested,
    Number,
    Object,
    Place,
    Root,
    Text,
    TextMap,
)


# --- users ----------------------------------------------------------------------------------------

_USERS = Place("users")
_USERS_ADDRESSES = Place("users", "addresses")
_USERS_ORDERS = Place("users", "orders")
_USERS_ORDERS_ITEMS = Place("users", "orders", "orders.items")

UsersOrdersStatus = Literal["pending", "paid", "shipped", "delivered", "cancelled"]


class UsersAddressesScope:
    """One element of `addresses`, which conditions on its fields are about."""


class UsersOrdersItemsScope:
    """One element of `orders.items`, which conditions on its fields are about."""


class UsersOrdersScope:
    """One element of `orders`, which conditions on its fields are about."""


class UsersAccountFields(Object[Root]):
    """Fields of `account`."""

    tier: Keyword[Root, str] = Keyword(_USERS, "account.tier", subfields=True)
    country: Keyword[Root, str] = Keyword(_USERS, "account.country", subfields=True)
    createdAt: Date[Root, datetime] = Date(_USERS, "account.createdAt")


class UsersProfileFields(Object[Root]):
    """Fields of `profile`."""

    bio: Text[Root] = Text(_USERS, "profile.bio", subfields=True)
    avatarUrl: Keyword[Root, str] = Keyword(_USERS, "profile.avatarUrl", subfields=True)
    birthDate: Date[Root, date] = Date(_USERS, "profile.birthDate")


class UsersAddressesFields(Nested[Root, UsersAddressesScope]):
    """Fields of one element of `addresses`."""

    kind: Keyword[UsersAddressesScope, str] = Keyword(
        _USERS_ADDRESSES, "addresses.kind", subfields=True
    )
    line1: Text[UsersAddressesScope] = Text(_USERS_ADDRESSES, "addresses.line1", subfields=True)
    city: Keyword[UsersAddressesScope, str] = Keyword(
        _USERS_ADDRESSES, "addresses.city", subfields=True
    )
    postalCode: Keyword[UsersAddressesScope, str] = Keyword(
        _USERS_ADDRESSES, "addresses.postalCode", subfields=True
    )
    country: Keyword[UsersAddressesScope, str] = Keyword(
        _USERS_ADDRESSES, "addresses.country", subfields=True
    )


class UsersOrdersItemsFields(Nested[UsersOrdersScope, UsersOrdersItemsScope]):
    """Fields of one element of `orders.items`."""

    productId: Number[UsersOrdersItemsScope, int] = Number(
        _USERS_ORDERS_ITEMS, "orders.items.productId", "integer"
    )
    quantity: Number[UsersOrdersItemsScope, int] = Number(
        _USERS_ORDERS_ITEMS, "orders.items.quantity", "integer"
    )
    unitPrice: Number[UsersOrdersItemsScope, Decimal] = Number(
        _USERS_ORDERS_ITEMS, "orders.items.unitPrice", "double"
    )


class UsersOrdersFields(Nested[Root, UsersOrdersScope]):
    """Fields of one element of `orders`."""

    status: Enum[UsersOrdersScope, UsersOrdersStatus] = Enum(
        _USERS_ORDERS, "orders.status", subfields=True
    )
    total: Number[UsersOrdersScope, Decimal] = Number(_USERS_ORDERS, "orders.total", "double")
    placedAt: Date[UsersOrdersScope, datetime] = Date(_USERS_ORDERS, "orders.placedAt")
    items: UsersOrdersItemsFields = UsersOrdersItemsFields(
        _USERS_ORDERS, "orders.items", _USERS_ORDERS_ITEMS
    )


class UsersFields(Fields):
    """Fields of a document of `Users`."""

    id: Number[Root, int] = Number(_USERS, "id", "integer")
    email: Keyword[Root, str] = Keyword(_USERS, "email", subfields=True)
    fullName: Text[Root] = Text(_USERS, "fullName", subfields=True)
    account: UsersAccountFields = UsersAccountFields(_USERS, "account")
    profile: UsersProfileFields = UsersProfileFields(_USERS, "profile")
    """What the user says about themselves; null until they do."""
    addresses: UsersAddressesFields = UsersAddressesFields(_USERS, "addresses", _USERS_ADDRESSES)
    orders: UsersOrdersFields = UsersOrdersFields(_USERS, "orders", _USERS_ORDERS)
    """Orders that were not cancelled, newest first."""
    orderCount: Number[Root, int] = Number(_USERS, "orderCount", "long")
    deliveredOrders: Number[Root, int] = Number(_USERS, "deliveredOrders", "long")
    lifetimeValue: Number[Root, Decimal] = Number(_USERS, "lifetimeValue", "double")
    """The total of all orders, cancelled ones included."""
    avgOrderValue: Number[Root, Decimal] = Number(_USERS, "avgOrderValue", "double")
    lastOrderAt: Date[Root, datetime] = Date(_USERS, "lastOrderAt")


class UsersAccount(Fragment):
    """`account`."""

    tier: str
    country: str | None
    createdAt: datetime


class UsersProfile(Fragment):
    """What the user says about themselves; null until they do."""

    bio: str | None
    avatarUrl: str | None
    birthDate: date | None


class UsersAddresses(Fragment):
    """One element of `addresses`."""

    kind: str
    line1: str
    city: str
    postalCode: str | None
    country: str | None


class UsersOrdersItems(Fragment):
    """One element of `orders.items`."""

    productId: int
    quantity: int
    unitPrice: Decimal


class UsersOrders(Fragment):
    """Orders that were not cancelled, newest first."""

    status: UsersOrdersStatus
    total: Decimal
    placedAt: datetime
    items: list[UsersOrdersItems]


class Users(Document, index="users", hash="293b506a", complete=True):
    """A user who is not soft-deleted, with the profile, the addresses and what was ordered."""

    f: ClassVar[UsersFields] = UsersFields(_USERS)

    id: int
    email: str
    fullName: str | None
    account: UsersAccount
    profile: UsersProfile | None
    """What the user says about themselves; null until they do."""
    addresses: list[UsersAddresses]
    orders: list[UsersOrders]
    """Orders that were not cancelled, newest first."""
    orderCount: int
    deliveredOrders: int
    lifetimeValue: Decimal | None
    """The total of all orders, cancelled ones included."""
    avgOrderValue: Decimal | None
    lastOrderAt: datetime | None


# --- products -------------------------------------------------------------------------------------

_PRODUCTS = Place("products")
_PRODUCTS_TAGS = Place("products", "tags")
_PRODUCTS_REVIEWS = Place("products", "reviews")


class ProductsTagsScope:
    """One element of `tags`, which conditions on its fields are about."""


class ProductsReviewsScope:
    """One element of `reviews`, which conditions on its fields are about."""


class ProductsPricingFields(Object[Root]):
    """Fields of `pricing`."""

    amount: Number[Root, Decimal] = Number(_PRODUCTS, "pricing.amount", "scaled_float")
    currency: Keyword[Root, str] = Keyword(_PRODUCTS, "pricing.currency", subfields=True)


class ProductsTagsFields(Nested[Root, ProductsTagsScope]):
    """Fields of one element of `tags`."""

    label: Keyword[ProductsTagsScope, str] = Keyword(_PRODUCTS_TAGS, "tags.label", subfields=True)


class ProductsReviewsFields(Nested[Root, ProductsReviewsScope]):
    """Fields of one element of `reviews`."""

    rating: Number[ProductsReviewsScope, int] = Number(_PRODUCTS_REVIEWS, "reviews.rating", "short")
    body: Text[ProductsReviewsScope] = Text(_PRODUCTS_REVIEWS, "reviews.body", subfields=True)
    userId: Number[ProductsReviewsScope, int] = Number(
        _PRODUCTS_REVIEWS, "reviews.userId", "integer"
    )
    createdAt: Date[ProductsReviewsScope, datetime] = Date(_PRODUCTS_REVIEWS, "reviews.createdAt")


class ProductsFields(Fields):
    """Fields of a document of `Products`."""

    id: Number[Root, int] = Number(_PRODUCTS, "id", "integer")
    sku: Keyword[Root, str] = Keyword(_PRODUCTS, "sku", subfields=True)
    name: Text[Root] = Text(_PRODUCTS, "name", subfields=True)
    description: Text[Root] = Text(_PRODUCTS, "description", subfields=True)
    title: TextMap[Root] = TextMap(_PRODUCTS, "title")
    """One title per language."""
    inStock: Bool[Root] = Bool(_PRODUCTS, "inStock")
    categoryId: Number[Root, int] = Number(_PRODUCTS, "categoryId", "integer")
    createdAt: Date[Root, datetime] = Date(_PRODUCTS, "createdAt")
    pricing: ProductsPricingFields = ProductsPricingFields(_PRODUCTS, "pricing")
    tags: ProductsTagsFields = ProductsTagsFields(_PRODUCTS, "tags", _PRODUCTS_TAGS)
    reviews: ProductsReviewsFields = ProductsReviewsFields(_PRODUCTS, "reviews", _PRODUCTS_REVIEWS)
    reviewCount: Number[Root, int] = Number(_PRODUCTS, "reviewCount", "long")
    avgRating: Number[Root, Decimal] = Number(_PRODUCTS, "avgRating", "double")
    """The average rating, from 1 to 5; null without a review."""
    minRating: Number[Root, int] = Number(_PRODUCTS, "minRating", "short")
    maxRating: Number[Root, int] = Number(_PRODUCTS, "maxRating", "short")


class ProductsPricing(Fragment):
    """`pricing`."""

    amount: Decimal
    currency: str


class ProductsTags(Fragment):
    """One element of `tags`."""

    label: str


class ProductsReviews(Fragment):
    """One element of `reviews`."""

    rating: int
    body: str | None
    userId: int | None
    createdAt: datetime


class Products(Document, index="products", hash="616c783b", complete=True):
    """A product, with its tags and reviews."""

    f: ClassVar[ProductsFields] = ProductsFields(_PRODUCTS)

    id: int
    sku: str
    name: str
    description: str | None
    title: dict[str, str]
    """One title per language."""
    inStock: bool
    categoryId: int | None
    createdAt: datetime
    pricing: ProductsPricing
    tags: list[ProductsTags]
    reviews: list[ProductsReviews]
    reviewCount: int
    avgRating: Decimal | None
    """The average rating, from 1 to 5; null without a review."""
    minRating: int | None
    maxRating: int | None


# --- orders ---------------------------------------------------------------------------------------

_ORDERS = Place("orders")
_ORDERS_ITEMS = Place("orders", "items")

OrdersStatus = Literal["pending", "paid", "shipped", "delivered", "cancelled"]


class OrdersItemsScope:
    """One element of `items`, which conditions on its fields are about."""


class OrdersTimelineFields(Object[Root]):
    """Fields of `timeline`."""

    placedAt: Date[Root, datetime] = Date(_ORDERS, "timeline.placedAt")
    shippedAt: Date[Root, datetime] = Date(_ORDERS, "timeline.shippedAt")


class OrdersItemsFields(Nested[Root, OrdersItemsScope]):
    """Fields of one element of `items`."""

    productId: Number[OrdersItemsScope, int] = Number(_ORDERS_ITEMS, "items.productId", "integer")
    quantity: Number[OrdersItemsScope, int] = Number(_ORDERS_ITEMS, "items.quantity", "integer")
    unitPrice: Number[OrdersItemsScope, Decimal] = Number(
        _ORDERS_ITEMS, "items.unitPrice", "double"
    )


class OrdersFields(Fields):
    """Fields of a document of `Orders`."""

    id: Number[Root, int] = Number(_ORDERS, "id", "integer")
    userId: Number[Root, int] = Number(_ORDERS, "userId", "integer")
    status: Enum[Root, OrdersStatus] = Enum(_ORDERS, "status", subfields=True)
    total: Number[Root, Decimal] = Number(_ORDERS, "total", "double")
    timeline: OrdersTimelineFields = OrdersTimelineFields(_ORDERS, "timeline")
    items: OrdersItemsFields = OrdersItemsFields(_ORDERS, "items", _ORDERS_ITEMS)
    itemCount: Number[Root, int] = Number(_ORDERS, "itemCount", "long")
    unitsSold: Number[Root, int] = Number(_ORDERS, "unitsSold", "integer")
    """How many units all lines have together."""


class OrdersTimeline(Fragment):
    """`timeline`."""

    placedAt: datetime
    shippedAt: datetime | None


class OrdersItems(Fragment):
    """One element of `items`."""

    productId: int
    quantity: int
    unitPrice: Decimal


class Orders(Document, index="orders", hash="9cfcf208", complete=True):
    """An order with its lines."""

    f: ClassVar[OrdersFields] = OrdersFields(_ORDERS)

    id: int
    userId: int
    status: OrdersStatus
    total: Decimal
    timeline: OrdersTimeline
    items: list[OrdersItems]
    itemCount: int
    unitsSold: int | None
    """How many units all lines have together."""
