"""Where documents go: OpenSearch and stdout.  The protocol is `flusso_shared.seams.Sink`.

In reading order:

* `opensearch`: writes batches, and retries transient errors.
* `bulk`, `bulk_reply`: the bodies of bulk requests, and the meaning of their replies.
* `cluster`: the connections to one cluster, and its errors.
* `probe`: asks whether the cluster answers.
* `scan`: reads all hits of a search.
* `stdout`: one JSON object per operation.
"""
