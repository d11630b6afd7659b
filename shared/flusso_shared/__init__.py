"""What capture and worker both need: configuration, schemas, plans, the change log, and how a process runs.

Rooms, each of which imports only those after it (`process` and `changelog` do not import each other):

* `process`: how a process runs: options, logs, HTTP surfaces, shutdown.
* `changelog`: the log of row changes, in Kafka and in memory.
* `config`: `flusso.toml` and `flusso.lock`.
* `schema`: schema files, and the compiler that makes plans of them.
* `plan`: what capture and workers act on.
* `postgres`: sessions, errors and the catalog of the database.

Beside them stand modules that every room may import:

* `seams`: the protocols between capture, change log, worker and sinks.  Start here.
* `change`: one row change.
* `names`: names of tables and generations.
* `errors`: the error classes, by what to do about them.
* `problems`: errors with a position in a file.
* `clock`, `retry`: time as an argument, and the back-off.
* `metrics`, `status`, `tracing`: what a process reports, and `health`: whether it works.
* `release`: the version and the revision that run.
* `failpoints`: places where tests end or hold a process.
"""
