"""The error classes, by what the caller does about them.

    FlussoError
    ├── RetryableError   passes by itself: network, 429, a restarting server.  Try again with back-off.
    ├── PoisonError      one document or row can never succeed.  Quarantine it or stop its index; never its neighbours.
    ├── SchemaChangedError   tables were altered since their SQL was composed.  Compose it again, from the catalog.
    ├── FatalError       needs an operator.  The message names the remedy.
    │   └── ConfigError  the configuration or a schema file is wrong: file, line, column where known.
    └── StoppedError     the process was asked to stop while waiting.  Unwind; nothing is wrong.

Adapters translate library errors into these at the boundary (`raise ... from error`).
"""


class FlussoError(Exception):
    """Base of every error that this project raises on purpose."""


class RetryableError(FlussoError):
    """Passes by itself; try again with back-off for as long as it takes."""


class PoisonError(FlussoError):
    """One document or row that can never succeed as it is."""


class SchemaChangedError(FlussoError):
    """Tables were altered since the SQL was composed; compose it again from the catalog."""


class FatalError(FlussoError):
    """Does not pass by itself.  The message says what happened, where, and what to do."""


class ConfigError(FatalError):
    """The configuration or a schema file is wrong.  `str()` may span several lines, one problem each."""


class StoppedError(FlussoError):
    """A stop was requested while waiting."""
