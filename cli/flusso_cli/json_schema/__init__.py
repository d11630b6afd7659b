"""`flusso schema`: JSON Schemas of configuration and schema files, for editors.

In reading order:

* `command`: the command.
* `config`: the schema of `flusso.toml`.
* `index`: the schema of schema files.
* `keys`: every key of a schema, with its path.
* `examples`: a value of each key of `flusso.toml`.
"""
