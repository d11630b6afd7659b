"""Encodings: for which databases text is requested as the stored bytes, and how it is decoded.  Pure.

When the server converts or validates text, one value that it cannot convert makes the whole stream fail, at the same LSN every
time.  With `client_encoding` SQL_ASCII it does neither, and only that value is affected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RAW: Final = b"SET client_encoding TO 'SQL_ASCII'"
CONVERTED: Final = b"SET client_encoding TO 'UTF8'"

# The codecs of Python that decode exactly as Postgres converts.  Those for EUC_JP, EUC_KR and EUC_JIS_2004 do not: a decoded
# key would match no row.
CODECS: Final = {
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "WIN1250": "cp1250",
    "WIN1251": "cp1251",
    "WIN1252": "cp1252",
    "WIN1253": "cp1253",
    "WIN1254": "cp1254",
    "WIN1255": "cp1255",
    "WIN1256": "cp1256",
    "WIN1257": "cp1257",
    "WIN1258": "cp1258",
    "EUC_CN": "gb2312",
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How text of one database is read."""

    codec: str
    raw: bool
    """Whether the stored bytes are requested (`RAW`); otherwise `client_encoding` stays UTF8."""


def of(server_encoding: str) -> Encoding:
    """For the encoding of a database.  Encodings that are not in `CODECS` are converted by the server."""
    if server_encoding == "UTF8":
        # Client and server encoding are the same: the server neither converts nor validates.
        return Encoding("utf-8", raw=False)
    if server_encoding == "SQL_ASCII":
        return Encoding("utf-8", raw=True)
    codec = CODECS.get(server_encoding)
    return Encoding("utf-8", raw=False) if codec is None else Encoding(codec, raw=True)
