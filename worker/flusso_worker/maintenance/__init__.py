"""Work on documents beside the pipelines: verification, repair, and retries of quarantined documents.

In reading order:

* `document_writer`: builds and writes documents of one generation.
* `verification`: compares an index with its database.
* `observations`: the two sides of an index, each in its own order.
* `key_walk_sql`: walks a root table in the order of its key.
* `diff`: where two documents differ.
* `catch_up`: waits until the pipeline has applied what was committed before.
* `report`: what a verification found.
* `periodic_verification`, `verification_lease`: verification at an interval, by one of several workers.
* `quarantine_retry`: builds and writes quarantined documents.
"""
