"""Places on the earth, as documents and queries have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class Point:
    """A place, in degrees.  In documents also `[lon, lat]`, `"lat,lon"` and GeoJSON, as OpenSearch reads them."""

    lat: float
    lon: float

    def dsl(self) -> dict[str, float]:
        """As OpenSearch takes it."""
        return {"lat": self.lat, "lon": self.lon}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_members, handler(source))


def _members(value: Any) -> Any:
    """Latitude and longitude by name; any other value as it is, for pydantic to refuse."""
    if isinstance(value, Mapping) and value.get("type") == "Point":
        value = value.get("coordinates")
    if isinstance(value, str) and value.count(",") == 1:
        lat, lon = value.split(",")
        return {"lat": lat.strip(), "lon": lon.strip()}
    if isinstance(value, list | tuple) and len(value) in (2, 3):
        return {"lat": value[1], "lon": value[0]}
    return value
