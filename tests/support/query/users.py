"""Models and handles as `flusso models generate` writes them, in part: users and products of the example store."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Literal

from flusso_query import (
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
)

_USERS = Place("users")
_ORDERS = Place("users", "orders")
_ITEMS = Place("users", "orders", "orders.items")
_PRODUCTS = Place("products")

Status = Literal["pending", "paid", "shipped", "delivered", "cancelled"]


class UsersAccountFields(Object[Root]):
    """Fields of `account`."""

    tier: Keyword[Root, str] = Keyword(_USERS, "account.tier", subfields=True)
    createdAt: Date[Root, datetime] = Date(_USERS, "account.createdAt")


class UsersProfileFields(Object[Root]):
    """Fields of `profile`."""

    bio: Text[Root] = Text(_USERS, "profile.bio", subfields=True)
    birthDate: Date[Root, date] = Date(_USERS, "profile.birthDate")


class UsersOrdersItemsFields(Nested["UsersOrdersFields", "UsersOrdersItemsFields"]):
    """Fields of one element of `orders.items`."""

    quantity: Number[UsersOrdersItemsFields, int] = Number(
        _ITEMS, "orders.items.quantity", "integer"
    )
    unitPrice: Number[UsersOrdersItemsFields, Decimal] = Number(
        _ITEMS, "orders.items.unitPrice", "double"
    )


class UsersOrdersFields(Nested[Root, "UsersOrdersFields"]):
    """Fields of one element of `orders`."""

    status: Enum[UsersOrdersFields, Status] = Enum(_ORDERS, "orders.status", subfields=True)
    total: Number[UsersOrdersFields, Decimal] = Number(_ORDERS, "orders.total", "double")
    placedAt: Date[UsersOrdersFields, datetime] = Date(_ORDERS, "orders.placedAt")
    items: UsersOrdersItemsFields = UsersOrdersItemsFields(_ORDERS, "orders.items", _ITEMS)


class UsersFields(Fields):
    """Fields of `users`."""

    id: Number[Root, int] = Number(_USERS, "id", "integer")
    email: Keyword[Root, str] = Keyword(_USERS, "email", subfields=True)
    fullName: Text[Root] = Text(_USERS, "fullName", subfields=True)
    account: UsersAccountFields = UsersAccountFields(_USERS, "account")
    profile: UsersProfileFields = UsersProfileFields(_USERS, "profile")
    orders: UsersOrdersFields = UsersOrdersFields(_USERS, "orders", _ORDERS)
    lifetimeValue: Number[Root, Decimal] = Number(_USERS, "lifetimeValue", "double")


class UsersAccount(Fragment):
    tier: str
    createdAt: datetime


class UsersProfile(Fragment):
    bio: str | None
    birthDate: date | None


class UsersOrdersItems(Fragment):
    quantity: int
    unitPrice: Decimal


class UsersOrders(Fragment):
    status: Status
    total: Decimal
    placedAt: datetime
    items: list[UsersOrdersItems]


class Users(Document, index="users", hash="1a2b3c4d", complete=True):
    f: ClassVar[UsersFields] = UsersFields(_USERS)

    id: int
    email: str
    fullName: str | None
    account: UsersAccount
    profile: UsersProfile | None
    orders: list[UsersOrders]
    lifetimeValue: Decimal | None


class ProductsFields(Fields):
    """Fields of `products`."""

    sku: Keyword[Root, str] = Keyword(_PRODUCTS, "sku", subfields=True)
    name: Text[Root] = Text(_PRODUCTS, "name", subfields=True)


class Products(Document, index="products", hash="99aa00bb", complete=True):
    f: ClassVar[ProductsFields] = ProductsFields(_PRODUCTS)

    sku: str
    name: str
