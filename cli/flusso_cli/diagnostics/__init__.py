"""Findings of `flusso build` and `flusso check`.

In reading order:

* `model`: a finding, and the problems of a file as findings.
* `sarif`: findings as SARIF, for code review tools.
"""
