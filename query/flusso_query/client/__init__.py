"""Clients: searches and reads over an OpenSearch client that the caller has made.

In reading order:

* `sync_client`, `async_client`: what is called.
* `operations`: the requests of each call, without a socket.
* `walk`: any number of hits, page by page.
* `wait`: until a commit is applied.
* `transport`: one request over opensearch-py.
"""
