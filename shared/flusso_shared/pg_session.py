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
