"""Worker: turns changes into documents and keeps OpenSearch equal to the database.

In reading order:

* `options`: the options of a worker.
* `daemon`: runs every index until it is asked to stop.
* `startup`: waits for the servers, and checks the database.
* `wiring`: makes the sinks, and one runner per index.
* `index_runner`: one index: its generations, and a pipeline for each.
* `administration`: what an operator can request.
* `pipeline`: poll, build, flush, commit.
* `generations`: creates, seeds, promotes and removes the indexes in OpenSearch.
* `maintenance`: verification, repair, retries of quarantined documents.
* `quarantine`: documents that cannot be written.
* `documents`: changed rows to documents.
* `sql`: plan to SQL.
* `postgres`: sessions, snapshots and the visibility gate.
* `sinks`: OpenSearch and stdout.
"""
