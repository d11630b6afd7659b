"""Whether a process works: what it knows of its servers and of its backlog, and the decision over both.

* `decide`: the facts -> ok, degraded or failing, with the reasons.  Pure.
* `servers`: which servers answer, since when, and their versions.
* `backlogs`: what waits to be acknowledged, and when something was acknowledged last.
"""
