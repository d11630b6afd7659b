"""The processes that keep running: options on the command line to parts that are wired and supervised.

In reading order:

* `capture`: the command `flusso-capture`.
* `worker`: the command `flusso-worker`.
* `run`: the command `flusso run`, both in one process.
* `start_line`: the line in the log that says what a process is and does.
* `presence`: the entry of a process in the registry, and its view of the deployment.
* `administration`: what an operator can request of a process that runs no worker.
"""
