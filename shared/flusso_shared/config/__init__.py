"""The configuration: reading `flusso.toml`, resolving it in an environment, and compiling it into `flusso.lock`.

In reading order:

* `model`: the configuration as values.
* `toml_file`, `toml_positions`: read the file, and find the lines for messages.
* `connections`: configuration and environment to connections.
* `server_addresses`, `postgres_url`: check addresses before anything connects.
* `project`: the configuration with its schemas and plans.
* `lock`: the project in one file, without secrets.
* `choose`: which of file and lock a command uses.
"""
