"""Where documents go: OpenSearch and stdout.  The protocol is `flusso_shared.seams.Sink`.

In reading order:

* `opensearch`: writes batches, and retries what passes by itself.
* `bulk`, `bulk_reply`: the bodies of bulk requests, and what their replies mean.
* `cluster`: one cluster: connections and errors.
* `scan`: reads all hits of a search.
* `stdout`: one JSON object per operation.
"""
