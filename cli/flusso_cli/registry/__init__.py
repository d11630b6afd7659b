"""The registry of processes in `flusso_meta`: each process writes an entry of its own while it runs.

The registry is for operators only.  No process depends on it: what workers must know of each other (their schemas) is
in entries of kind `worker`, which a worker writes before it decides anything and whose removal has other rules.

In reading order:

* `entry`: an entry, and which entries are removed.
* `advertised`: the addresses under which others reach a process.
* `store`: the entries in OpenSearch.
* `heartbeat`: the thread that writes the entry of this process.
"""
