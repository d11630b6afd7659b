"""The command `flusso`: everything in one process, and the commands around it.

In reading order:

* `main`: the commands.
* `run`: capture and worker in one process.
* `build`: compiles a configuration.
* `check`: validates a configuration against the servers.
* `init`: writes schema files for an existing database.
* `admin`: indexes, generations, verification, quarantine.
* `json_schema`: JSON Schemas of the files that users write.
* `diagnostics`: problems with a position, and their formats.
"""
