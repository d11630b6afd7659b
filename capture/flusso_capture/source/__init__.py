"""The source: requirements on the database, the objects that capture creates in it, and changes that the stream does not show.

In reading order:

* `connection`: sessions for SQL and for replication.
* `preflight`: settings and privileges.
* `replica_identity`: makes the log contain the old values of key and link columns.
* `publication`: covers every table of the plan.
* `slot`, `two_phase`: the replication slot.
* `lineage`: which history of which slot the changes belong to.
* `coverage`: which tables the stream covers without a gap.
* `partitions`: partitions that are attached, detached, dropped or truncated.
* `fingerprint`, `fingerprint_reader`: DDL that changes how rows read.
* `resync_requests`: tables whose documents must be built again.
* `ddl`: DDL with a short lock timeout.
* `encodings`: how text of the database is decoded.
"""
