"""An airline: keys of three and four columns, and relations over them between two database schemas."""

from __future__ import annotations

from typing import Any

from support.expected.oracle import Documents
from support.stores.model import (
    Model,
    Row,
    Tables,
    by,
    key,
    total,
    where,
)

_DDL = """
CREATE SCHEMA ops;
CREATE SCHEMA sales;
CREATE TABLE ops.airports (code text PRIMARY KEY, city text);
CREATE TABLE ops.flights (
    carrier text, number int, day date, origin text, destination text, PRIMARY KEY (carrier, number, day)
);
CREATE TABLE sales.passengers (id int PRIMARY KEY, name text);
CREATE TABLE sales.bookings (
    ref text PRIMARY KEY, flight_carrier text, flight_number int, flight_day date, passenger_id int, fare numeric(10, 2)
);
CREATE TABLE sales.seats (
    carrier text, number int, day date, seat text, booking_ref text, PRIMARY KEY (carrier, number, day, seat)
);
CREATE INDEX ON ops.flights (origin);
CREATE INDEX ON ops.flights (destination);
CREATE INDEX ON sales.bookings (flight_carrier, flight_number, flight_day);
CREATE INDEX ON sales.bookings (passenger_id);
CREATE INDEX ON sales.seats (booking_ref);
"""
_ROWS = """
INSERT INTO ops.airports SELECT 'A' || n, 'city ' || n FROM generate_series(1, 5) n;
INSERT INTO ops.flights SELECT CASE n % 2 WHEN 0 THEN 'SK' ELSE 'DY' END, n, DATE '2024-06-01' + d, 'A' || 1 + n % 5, 'A' || 1 + (n + d) % 5
FROM generate_series(1, 6) n, generate_series(0, 2) d;
INSERT INTO sales.passengers SELECT n, 'passenger ' || n FROM generate_series(1, 12) n;
INSERT INTO sales.bookings SELECT 'R' || row_number() OVER (ORDER BY f.carrier, f.number, f.day, p.id),
    f.carrier, f.number, f.day, p.id, 10.5 * p.id
FROM ops.flights f JOIN sales.passengers p ON (p.id + f.number) % 5 = 0;
INSERT INTO sales.seats SELECT flight_carrier, flight_number, flight_day, passenger_id || 'F', ref FROM sales.bookings
WHERE passenger_id % 3 <> 0;
"""

_FLIGHTS = """
table: flights
schema: ops
primary_key: [carrier, number, day]
fields:
  - keyword: carrier
  - integer: number
  - date: day
  - belongs_to: origin
    column: origin
    table: airports
    primary_key: code
    fields: [{ keyword: city }]
  - belongs_to: destination
    column: destination
    table: airports
    primary_key: code
    fields: [{ keyword: city }]
  - has_many: bookings
    table: bookings
    schema: sales
    primary_key: ref
    foreign_key: [flight_carrier, flight_number, flight_day]
    order_by: [{ column: passenger_id, direction: asc }, { column: ref, direction: asc }]
    fields:
      - keyword: ref
      - belongs_to: passenger
        column: passenger_id
        table: passengers
        schema: sales
        primary_key: id
        fields: [{ keyword: name }]
      - values: seats
        table: seats
        schema: sales
        foreign_key: booking_ref
        column: seat
        element_type: keyword
        distinct: true
  - sum: revenue
    table: bookings
    schema: sales
    foreign_key: [flight_carrier, flight_number, flight_day]
    column: fare
    value_type: decimal
  - count: seatsTaken
    table: seats
    schema: sales
    foreign_key: [carrier, number, day]
"""
_PASSENGERS = """
table: passengers
schema: sales
primary_key: id
fields:
  - keyword: name
  - has_many: bookings
    table: bookings
    primary_key: ref
    foreign_key: passenger_id
    order_by: [{ column: ref, direction: asc }]
    fields:
      - keyword: ref
      - belongs_to: flight
        column: [flight_carrier, flight_number, flight_day]
        table: flights
        schema: ops
        primary_key: [carrier, number, day]
        fields:
          - keyword: carrier
          - integer: number
          - belongs_to: origin
            column: origin
            table: airports
            schema: ops
            primary_key: code
            fields: [{ keyword: city }]
"""
_SEATS = """
table: seats
schema: sales
primary_key: [carrier, number, day, seat]
fields:
  - keyword: seat
  - belongs_to: booking
    column: booking_ref
    table: bookings
    primary_key: ref
    fields:
      - decimal: fare
      - belongs_to: passenger
        column: passenger_id
        table: passengers
        primary_key: id
        fields: [{ keyword: name }]
"""
_FLIGHT = ("carrier", "number", "day")
_BOOKED = ("flight_carrier", "flight_number", "flight_day")


def _expected(tables: Tables) -> dict[str, Documents]:
    return {
        "flights": {_id(row, *_FLIGHT): _flight(row, tables) for row in tables["flights"]},
        "passengers": {str(row["id"]): _passenger(row, tables) for row in tables["passengers"]},
        "seats": {_id(row, *_FLIGHT, "seat"): _seat(row, tables) for row in tables["seats"]},
    }


def _id(row: Row, *columns: str) -> str:
    return ":".join(str(row[column]) for column in columns)


def _city(tables: Tables, code: str | None) -> dict[str, Any] | None:
    airport = by(tables["airports"], "code").get(code)
    return None if airport is None else {"city": airport["city"]}


def _name(tables: Tables, number: int | None) -> dict[str, Any] | None:
    passenger = by(tables["passengers"], "id").get(number)
    return None if passenger is None else {"name": passenger["name"]}


def _flight(row: Row, tables: Tables) -> dict[str, Any]:
    me = key(row, *_FLIGHT)
    bookings = [item for item in tables["bookings"] if key(item, *_BOOKED) == me]
    in_order = sorted(
        bookings,
        # NULL stands last.
        key=lambda item: (item["passenger_id"] is None, item["passenger_id"], item["ref"]),
    )
    return {
        "carrier": row["carrier"],
        "number": row["number"],
        "day": row["day"].isoformat(),
        "origin": _city(tables, row["origin"]),
        "destination": _city(tables, row["destination"]),
        "bookings": [
            {
                "ref": item["ref"],
                "passenger": _name(tables, item["passenger_id"]),
                "seats": sorted(
                    {
                        seat["seat"]
                        for seat in where(tables["seats"], "seat", booking_ref=item["ref"])
                    }
                ),
            }
            for item in in_order
        ],
        "revenue": total(item["fare"] for item in bookings),
        "seatsTaken": sum(key(seat, *_FLIGHT) == me for seat in tables["seats"]),
    }


def _passenger(row: Row, tables: Tables) -> dict[str, Any]:
    flights = by(tables["flights"], *_FLIGHT)

    def flight(booking: Row) -> dict[str, Any] | None:
        found = flights.get(key(booking, *_BOOKED))
        if found is None:
            return None
        return {
            "carrier": found["carrier"],
            "number": found["number"],
            "origin": _city(tables, found["origin"]),
        }

    bookings = where(tables["bookings"], "ref", passenger_id=row["id"])
    return {
        "name": row["name"],
        "bookings": [{"ref": item["ref"], "flight": flight(item)} for item in bookings],
    }


def _seat(row: Row, tables: Tables) -> dict[str, Any]:
    booking = by(tables["bookings"], "ref").get(row["booking_ref"])
    shown = None
    if booking is not None:
        shown = {"fare": booking["fare"], "passenger": _name(tables, booking["passenger_id"])}
    return {"seat": row["seat"], "booking": shown}


MODEL = Model(
    ddl=_DDL,
    rows=_ROWS,
    tables=("ops.airports", "ops.flights", "sales.passengers", "sales.bookings", "sales.seats"),
    schemas={"flights": _FLIGHTS, "passengers": _PASSENGERS, "seats": _SEATS},
    expected=_expected,
    steps={
        "names in both schemas change": [
            "UPDATE ops.airports SET city = city || '!' WHERE code = 'A2'",
            "UPDATE sales.passengers SET name = name || '!' WHERE id IN (3, 4)",
        ],
        "a part of a key changes, and what refers to it follows": [
            "UPDATE ops.flights SET day = '2024-07-01' WHERE number = 2 AND day = '2024-06-02'",
            "UPDATE sales.bookings SET flight_day = '2024-07-01' WHERE flight_number = 2 AND flight_day = '2024-06-02'",
            "UPDATE sales.seats SET day = '2024-07-01' WHERE number = 2 AND day = '2024-06-02'",
        ],
        "bookings move to other flights, and to none": [
            "UPDATE sales.bookings SET flight_carrier = 'SK', flight_number = 4 WHERE ref IN ('R1', 'R2')",
            "UPDATE sales.bookings SET flight_day = NULL WHERE ref = 'R3'",
            "UPDATE sales.bookings SET flight_number = 99 WHERE ref = 'R4'",
            "UPDATE sales.bookings SET passenger_id = 1, fare = NULL WHERE ref = 'R5'",
        ],
        "seats are changed, swapped and given back": [
            "UPDATE sales.seats SET seat = 'tmp' WHERE booking_ref = 'R8'",
            "UPDATE sales.seats SET booking_ref = 'R9' WHERE booking_ref = 'R10'",
            "DELETE FROM sales.seats WHERE number = 3",
        ],
        "flights and airports go": [
            "DELETE FROM ops.flights WHERE number = 5",
            "DELETE FROM ops.airports WHERE code = 'A3'",
        ],
        "rows come in both schemas, some to what waited for them": [
            "INSERT INTO sales.seats VALUES ('SK', 900, '2024-08-01', '1A', 'N1')",
            "INSERT INTO sales.bookings VALUES ('N1', 'SK', 900, '2024-08-01', 13, 99.5), ('N2', 'SK', 4, '2024-06-01', 2, 1)",
            "INSERT INTO ops.flights VALUES ('SK', 900, '2024-08-01', 'A3', 'A2')",
            "INSERT INTO ops.flights VALUES ('DY', 5, '2024-06-01', 'A1', 'A3')",
            "INSERT INTO sales.passengers VALUES (13, 'new')",
            "INSERT INTO ops.airports VALUES ('A3', 'back')",
        ],
        "keys change, and nothing follows": [
            "UPDATE ops.flights SET carrier = 'XX', number = 7 WHERE number = 4 AND day = '2024-06-01'",
            "UPDATE ops.airports SET code = 'A9' WHERE code = 'A4'",
            "UPDATE sales.passengers SET id = 70 WHERE id = 7",
            "UPDATE sales.bookings SET ref = 'changed' WHERE ref = 'R9'",
        ],
        "bookings and passengers go": [
            "DELETE FROM sales.bookings WHERE passenger_id % 4 = 0",
            "DELETE FROM sales.passengers WHERE id = 3",
        ],
        "the seats are emptied": ["TRUNCATE sales.seats"],
    },
)
