"""Commands on what is deployed: over the servers themselves, or by asking a running process.

In reading order:

* `deployment`: the servers that a configuration names.
* `remote`: a running process over HTTP.
* `generations`: what commands about generations ask, one way or the other.
* `indexes`, `reindex`, `pause`, `verify`, `quarantine`: the commands on indexes and documents.
* `exact_json`, `explanation`, `explain`: one document in the database and in the index.
* `touched`, `resolve`: what a row touches.
* `slot`: the replication slot.
"""
