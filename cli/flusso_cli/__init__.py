"""The commands: the processes that keep running, and what operators run beside them.

In reading order:

* `main`: the commands.
* `daemons`: the processes that keep running: capture, worker, and both in one.
* `registry`: the entries of processes in the bookkeeping.
* `overview`: the whole deployment: what runs, how far behind it is, and why.
* `build`: compiles a configuration.
* `check`: validates a configuration against the servers.
* `plan`: what a deployment of the files would change.
* `init`: writes schema files for an existing database.
* `status`: the overview on a terminal.
* `admin`: indexes, generations, verification, quarantine.
* `json_schema`: JSON Schemas of the files that users write.
* `models`: Python models of documents, for the query client.
* `diagnostics`: problems with a position, and their formats.
"""
