"""The values of `matrix`, type by type: a column, its field, what the index takes of it and what it refuses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from support.expected.matrix import Matrix
from support.expected.matrix_oracle import (
    Convert,
    each,
    encoded,
    labels,
    moment,
    money,
    number,
    part,
    same,
    unpadded,
)

TYPES = """
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"');
CREATE DOMAIN short AS varchar(20);
CREATE DOMAIN shorter AS short CHECK (length(value) < 15);
CREATE DOMAIN price AS money;
CREATE DOMAIN padded AS char(5);
CREATE DOMAIN blob AS bytea;
CREATE DOMAIN day AS date;
CREATE DOMAIN labels AS text[];
CREATE TYPE part AS ("Raw" bytea, cost money, day date, tags char(3)[], at timestamp, "a b" jsonb);
"""

_NOT_FINITE = "supports only finite values"
_NO_DATE = "failed to parse date field"
_SYNTAX = "invalid input syntax"
_TEXTS = (
    "",
    " ",
    "plain",
    "quo\"te's \\ / \b\f\n\r\t \x01\x1f\x7f",
    "größe 漢字 \U0001f600 \u2028 \ufeff \ufffd \u202e",
    "null",
    "NaN",
    "{}",
)
_STORED = {"enabled": False}


def _keyword(made: Matrix, name: str, type_: str, *fine: str, convert: Convert = same) -> None:
    made.add(name, type_, "custom", convert, fine=fine, opensearch="keyword")


def _numbers(made: Matrix) -> None:
    made.add("i2", "smallint", "short", fine=("-32768", "32767"))
    made.add("i4", "integer", "integer", fine=("-2147483648", "0"))
    made.add(
        "i8",
        "bigint",
        "long",
        fine=("9007199254740993", "9223372036854775807", "-9223372036854775808"),
    )
    infinite = {"NaN": _NOT_FINITE, "Infinity": _NOT_FINITE, "-Infinity": _NOT_FINITE}
    made.add(
        "num",
        "numeric",
        "decimal",
        number,
        fine=(
            "12.50",
            "-0.000000000000000000000000000001",
            "12345678901234567890.123456789",
            "1e40",
            "1e-400",
            "1" * 300,
            "0." + "3" * 990,
        ),
        bad={**infinite, "1" + "0" * 400: _NOT_FINITE, "9" * 1001: "Number value length"},
    )
    anyway = {"ignore_malformed": True}
    made.add("numAnyway", "numeric", "decimal", number, fine=("NaN", "-Infinity"), options=anyway)
    made.add("num2", "numeric(6,2)", "decimal", number, fine=("1.5", "-9999.99"))
    made.add(
        "r", "real", "float", number, fine=("1.1", "-0", "3.4028235e38", "1e-45"), bad=infinite
    )
    made.add(
        "d",
        "double precision",
        "double",
        number,
        fine=("0.1", "1e300", "5e-324", "1.7976931348623157e308", "123456789012345680"),
        bad=infinite,
    )
    made.add(
        "cash",
        "money",
        "decimal",
        money,
        fine=("1234567.50", "-0.05", "0", "-92233720368547758.08"),
    )
    made.add("flag", "boolean", "boolean", fine=("true", "false"))
    made.add("nums", "numeric[]", "decimal", each(number), fine=("{1.50,NULL}", "{}", "{{1},{2}}"))
    made.more("nums", **{"{1,NaN}": _NOT_FINITE})
    made.add("longs", "bigint[]", "long", fine=("{{9007199254740993},{-1}}", "[0:1]={5,NULL}"))
    made.add("flags", "boolean[]", "boolean", fine=("{t,f,NULL}",))
    made.add("cashes", "money[]", "decimal", each(money), fine=("{{1.5},{-2}}", "{NULL,3}", "{}"))


def _texts(made: Matrix) -> None:
    long = {"x" * 32767: "immense term"}
    made.add("t", "text", "text", fine=(*_TEXTS, "x" * 100_000), options={"fields": {}})
    made.add("v", "varchar(40000)", "keyword", fine=_TEXTS, bad=long, options={"fields": {}})
    made.add("c", "char(5)", "keyword", unpadded, fine=("ab", "", "  a", "abcde"))
    made.add("c1", '"char"', "keyword", fine=("a", ""))
    made.add("ci", "citext", "keyword", fine=("ABc",))
    made.add("n", "name", "keyword", fine=("a name",))
    made.add("u", "uuid", "uuid", str, fine=("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11",))
    made.add("e", "mood", "enum", fine=("sad", 'it\'s "fine"'))
    made.add("ts", "text[]", "keyword", fine=('{a,NULL,"b,c",""}', "{{a,b},{c,NULL}}", "{}"))
    made.add("cs", "char(3)[]", "keyword", each(unpadded), fine=("{a,NULL,bcd}", "{{a},{b}}"))
    made.add("us", "uuid[]", "uuid", each(str), fine=("{a0eebc999c0b4ef8bb6d6bb9bd380a11}",))
    made.add("es", "mood[]", "enum", fine=("{sad,NULL}", "{}"))
    made.add("low", "text[]", "keyword", labels, fine=('{" A ",NULL}', "{}"), transforms=["trim", "lowercase"])  # fmt: skip
    made.add("b", "bytea", "binary", encoded, fine=("\\x", "\\x00ff10", "\\x" + "ab" * 200))
    made.add("bs", "bytea[]", "binary", each(encoded), fine=('{"\\\\x00ff",NULL,""}', '{{"\\\\x01"},{"\\\\x02"}}', "{}"))  # fmt: skip
    made.add("bd", "bytea", "binary", encoded, fine=("\\x01",), default="\\x6869", missing="aGk=")


def _domains(made: Matrix) -> None:
    made.add("dom", "shorter", "keyword", fine=("inner", ""))
    made.add("domCash", "price", "decimal", money, fine=("-7.25",))
    made.add("domCashes", "price[]", "decimal", each(money), fine=("{{1.5},{NULL}}", "{}"))
    made.add("domChar", "padded", "keyword", unpadded, fine=("ab",))
    made.add("domChars", "padded[]", "keyword", each(unpadded), fine=("{ab,NULL}",))
    made.add("domBlob", "blob", "binary", encoded, fine=("\\x0102",))
    made.add("domBlobs", "blob[]", "binary", each(encoded), fine=('{{"\\\\x0102",NULL}}',))
    made.add("domDay", "day", "date", moment, fine=("0044-03-15 BC", "2024-02-29"))
    made.add("domDays", "day[]", "date", each(moment), fine=("{2024-02-29,10000-01-01}",))
    made.add("domTexts", "labels", "keyword", fine=("{a,NULL}", "{}"))


def _moments(made: Matrix) -> None:
    infinite = {"infinity": _NO_DATE, "-infinity": _NO_DATE}
    dates: tuple[str, ...] = (
        "2024-02-03",
        "9999-12-31",
        "0001-01-01",
        "0001-12-31 BC",
        "0002-01-01 BC",
    )
    dates += ("0044-03-15 BC", "4713-01-01 BC", "10000-01-01", "5874897-12-31")
    made.add("day", "date", "date", moment, fine=dates, bad=infinite)
    anyway = {"ignore_malformed": True}
    made.add("dayAnyway", "date", "date", moment, fine=("infinity",), options=anyway)
    times: tuple[str, ...] = (
        "2024-02-03 04:05:06.789",
        "2024-02-03 00:00",
        "0044-03-15 01:02:03.5 BC",
    )
    times += ("10000-01-01 00:00:00.000001", "294276-12-31 23:59:59.999999", "4713-01-01 BC")
    made.add("at", "timestamp", "timestamp", moment, fine=times, bad=infinite)
    made.add("at0", "timestamp(0)", "timestamp", moment, fine=("2024-02-03 04:05:06.5",))
    zoned = ("2024-02-03 04:05:06.789+02", "0001-01-01 00:00+14", "10000-01-01 00:00-01")
    made.add("atz", "timestamptz", "timestamp", moment, fine=zoned, bad=infinite)
    arrays = ("{{2024-01-01},{NULL}}", "{{10000-01-01,NULL},{0044-03-15 BC,2024-01-01}}", "{}")
    made.add("days", "date[]", "date", each(moment), fine=arrays)
    made.more("days", **{"{2024-01-01,infinity}": _NO_DATE})
    made.add("ats", "timestamptz[]", "timestamp", each(moment), fine=arrays)
    formats = "strict_hour_minute_second||strict_hour_minute_second_fraction"
    made.add(
        "tm",
        "time",
        "timestamp",
        fine=("04:05:06", "04:05:06.123456"),
        bad={"24:00:00": _NO_DATE},
        options={"format": formats},
    )
    _keyword(made, "tmk", "time", "24:00:00", "00:00:00.000001")
    _keyword(made, "tmz", "timetz", "04:05:06+02", "24:00:00-12:30")
    made.add("tmd", "time", "timestamp", bad={"04:05:06": _NO_DATE})
    _keyword(made, "iv", "interval", "1 year -2 mons +3 days -04:05:06.7", "0", "178000000 years")
    made.add("ivs", "interval[]", "custom", fine=('{"1 day",NULL}',), opensearch="keyword")


def _documents(made: Matrix) -> None:
    any_json: tuple[str, ...] = (
        "null",
        "5",
        '"x"',
        '[1, "a", null, {"b": {}}]',
        '{"a": {"b": [1.10, 9007199254740993, 12345678901234567890123456789]}}',
        '{"a": 1e400, "b": -0.0}',
        '{\n "a.b": 1, "a": 2,\r\n "": 3, " ": 4, ".": 5, "_id": 6}',
    )
    # Deeper, OpenSearch takes arrays only where an object is around them, and Python's parser not at all.
    refused = {"[" * 21 + "]" * 21: "depth", "1" * 1200: "Number value length"}
    refused['{"a": ' * 1001 + "1" + "}" * 1001] = "nesting depth"
    any_json += ('{"a": ' + "[" * 200 + "]" * 200 + "}",)
    raw = ('{"a": "\\u0000", "b": "\\ud800", "\\udfff": "\\ud83d\\ude00"}',)
    made.add("j", "json", "json", fine=any_json + raw, bad=refused)
    made.more("j", **{'{"a": 1, "a": 2}': "Duplicate field"})
    made.add("jb", "jsonb", "json", fine=(*any_json, '{"a": 1, "a": 2}'), bad=refused)
    made.add(
        "js",
        "jsonb[]",
        "custom",
        fine=('{"{\\"a\\": 1}",NULL,"5"}',),
        opensearch="object",
        options=_STORED,
    )
    made.add("m", "jsonb", "map", fine=('{"de": "x", "en": null}',), values="keyword")
    made.more("m", **{"5": "tried to parse field [m] as object", '{"": "x"}': "empty string"})
    made.add("p", "part", "custom", part, opensearch="object", options=_STORED)
    made.more("p", '("\\\\x68",-5,"0044-03-15 BC","{a,NULL}","2024-01-01 10:00","{""a"": 1.50}")', "(,,,,,)")  # fmt: skip
    made.add("ps", "part[]", "custom", each(part), opensearch="object", options=_STORED)
    made.more("ps", '{"(\\"\\\\\\\\x68\\",1,infinity,,,)",NULL,"(,,,,,)"}', "{}")
    made.add("h", "hstore", "custom", opensearch="flat_object", fine=('a=>"1", "b c"=>NULL', ""))


def _paths(made: Matrix) -> None:
    """Fields that look into JSON; `inside` holds all of them, each absent in most rows."""
    made.columns["inside"] = "json"

    def at(name: str, convert: Convert = same) -> Convert:
        def value(document: Any) -> Any:
            found = document.get(name) if isinstance(document, dict) else None
            return None if found is None else convert(found)

        return value

    made.field("insideText", "inside", "keyword", at("t"), path=["t"])
    made.field(
        "insideNumber", "inside", "decimal", at("n", lambda item: number(Decimal(item))), path=["n"]
    )
    made.field("insideDay", "inside", "date", at("d", moment), path=["d"])
    made.field("insideAt", "inside", "timestamp", at("at", moment), path=["at"])
    made.field("insideAny", "inside", "json", at("any"), path=["any"])
    made.more("inside", '{"t": "x"}', '{"n": 12345678901234567890.50}', '{"n": "7"}', '{"t": null}')
    made.more("inside", '{"d": "0044-03-15 BC"}', '{"at": "2024-02-03 04:05:06+00"}', "5", "null")
    made.more("inside", '{"any": {"b": [1, null]}}', '{"any": null}')
    bad = {'{"n": "x"}': _SYNTAX, '{"d": "today"}': _SYNTAX, '{"at": "now"}': _SYNTAX}
    bad |= {'{"d": "2024-02-30"}': "out of range", '{"t": "\\u0000"}': "Unicode escape"}
    made.more("inside", **bad, **{'{"t": "\\ud800"}': _SYNTAX, '{"n": "NaN"}': _NOT_FINITE})


def _others(made: Matrix) -> None:
    made.add("ip", "inet", "custom", str, fine=("10.0.0.1", "::1"), opensearch="ip")
    made.more("ip", **{"10.0.0.1/24": "not an IP string literal"})
    _keyword(made, "ipk", "inet", "10.0.0.1/24", "10.0.0.1/32", "2001:db8::1/64", convert=str)
    made.add("net", "cidr", "custom", str, fine=("10.0.0.0/24", "10/8"), opensearch="ip_range")
    _keyword(made, "ips", "inet[]", "{10.0.0.1,NULL}", convert=each(str))
    _keyword(made, "mac", "macaddr", "08:00:2b:01:02:03")
    _keyword(made, "mac8", "macaddr8", "08:00:2b:01:02:03:04:05")
    _keyword(made, "bits", "bit(3)", "101")
    _keyword(made, "vbits", "bit varying", "", "1" * 70)
    _keyword(made, "rng", "int4range", "[1,5)", "empty", "(,)")
    _keyword(made, "drng", "daterange", "[2024-01-01,2024-02-01)")
    _keyword(made, "trng", "tstzrange", '["2024-01-01 00:00:00+00",infinity)')
    made.add("orng", "int4range", "custom", opensearch="integer_range")
    made.more("orng", **{"[1,5)": "expected an object"})
    _keyword(made, "mrng", "int4multirange", "{[1,3),[5,9)}", "{}")
    _keyword(made, "rngs", "int4range[]", '{"[1,2)",NULL}')
    made.add("spot", "double precision[]", "geo", each(number), fine=("{13.4,52.5}",))
    made.more("spot", **{"{13.4,91}": "illegal latitude", "{200,1}": "illegal longitude"})
    made.more("spot", **{"{NaN,1}": "failed to parse field [spot]"})
    made.add("tv", "tsvector", "custom", opensearch="text", fine=("'a':1A 'b'",))
    _keyword(made, "tq", "tsquery", "'a' & !'b'")
    made.add("x", "xml", "custom", opensearch="text", fine=('<a b="1">&amp;</a>', ""))
    for name, value in (("point", "(1,2.5)"), ("line", "{1,-1,0}"), ("lseg", "[(1,2),(3,4)]")):
        _keyword(made, name, name, value)
    for name, value in (("box", "(3,4),(1,2)"), ("path", "((1,2),(3,4))"), ("circle", "<(1,2),3>")):
        _keyword(made, name, name, value)
    _keyword(made, "poly", "polygon", "((1,2),(3,4),(5,6))")
    _keyword(made, "pointInf", "point", "(NaN,Infinity)")
    made.add("geoPoint", "point", "custom", opensearch="geo_point")
    made.more("geoPoint", **{"(1,2)": "latitude must be a number"})
    _keyword(made, "oid", "oid", "4294967295", convert=str)
    _keyword(made, "regc", "regclass", "pg_class")
    _keyword(made, "lsn", "pg_lsn", "16/B374D848")
    _keyword(made, "xid8", "xid8", "18446744073709551615", convert=str)
    _keyword(made, "snap", "pg_snapshot", "10:20:10,14")
    _keyword(made, "jpath", "jsonpath", '$."a"[*]?(@ > 1)')


def matrix() -> Matrix:
    """Every type and every awkward value."""
    made = Matrix()
    for declare in (_numbers, _texts, _domains, _moments, _documents, _paths, _others):
        declare(made)
    return made
