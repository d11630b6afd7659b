"""Types with a cast to json, made without an extension."""

from __future__ import annotations

SHAPES = (
    "CREATE SCHEMA ext",
    "CREATE TYPE ext.geometry",
    "CREATE FUNCTION ext.geometry_in(cstring) RETURNS ext.geometry LANGUAGE internal IMMUTABLE STRICT AS 'textin'",
    "CREATE FUNCTION ext.geometry_out(ext.geometry) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
    "CREATE TYPE ext.geometry (INPUT = ext.geometry_in, OUTPUT = ext.geometry_out, LIKE = text)",
    "CREATE FUNCTION ext.as_json(g ext.geometry) RETURNS json LANGUAGE sql IMMUTABLE STRICT AS"
    " $$ SELECT json_build_object('type', 'Point', 'crs', 1, 'coordinates', array_agg(x::numeric))"
    " FROM string_to_table(ext.geometry_out(g)::text, ' ') AS x $$",
    "CREATE CAST (ext.geometry AS json) WITH FUNCTION ext.as_json(ext.geometry)",
    # Without a cast to json of its own, as PostGIS' geography.
    "CREATE TYPE ext.geography",
    "CREATE FUNCTION ext.geography_in(cstring) RETURNS ext.geography LANGUAGE internal IMMUTABLE STRICT AS 'textin'",
    "CREATE FUNCTION ext.geography_out(ext.geography) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
    "CREATE TYPE ext.geography (INPUT = ext.geography_in, OUTPUT = ext.geography_out, LIKE = text)",
    "CREATE CAST (ext.geography AS ext.geometry) WITHOUT FUNCTION",
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE FUNCTION mood_json(m mood) RETURNS json LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT json_build_object('mood', m::text) $$",
    "CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood)",
    "CREATE FUNCTION mood_text(m mood) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'odd' $$",
    "CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood)",
    "CREATE DOMAIN humour AS mood",
    "CREATE TYPE pair AS (m mood, g ext.geometry)",
)
"""Types with a cast to json, which `to_json` would use."""
