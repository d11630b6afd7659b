"""Session settings under which Postgres prints values the one way that everything here expects."""

SESSION_SETTINGS = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    # Compiling costs more than it saves on statements that touch a few thousand rows by index.
    "jit": "off",
}
"""Name -> value, for `SET` on every SQL connection and for the options of the replication connection."""

OPERATORS = """
SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''),
    (SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ')
     FROM pg_operator o JOIN pg_type t ON t.oid = o.oprleft
     JOIN pg_namespace n ON n.oid = o.oprnamespace AND n.oid = t.typnamespace
     WHERE o.oprname = '=' AND n.nspname <> 'pg_catalog'
       AND NOT n.nspname = ANY(current_schemas(true)) AND has_schema_privilege(n.oid, 'USAGE'))), false)
"""
"""Puts the schemas of types that have an `=` of their own (citext, hstore, PostGIS, ...) at the end of the search path.

Without it `=`, `<`, `min()` and the like of such a type, in a schema that is not on the path, would silently mean those of
a type that it is cast to: of `text` for `citext`.
"""
