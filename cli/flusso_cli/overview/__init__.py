"""The overview of a deployment: what runs, how far behind it is and why, from the servers and the processes.

`flusso status` shows it, and every process gives it at `GET /overview` of its private address.

In reading order:

* `model`: the document.
* `observer`: looks at everything at once, within a limit.
* `question`: asks one server, and does not wait for it longer than that.
* `bookkeeping`, `offsets`, `slot_state` and `source`, `processes`: what OpenSearch, the change log, Postgres and the
  processes say.
* `assumed`: the generations by the names of groups, where their records cannot be read.
* `indexes`: what follows for each index.
* `rates`: rates between two looks.
* `problems`: what is wrong, what to do, and the health that follows.
* `target`, `connect`: the deployment of a configuration, and how its parts are reached.
"""
