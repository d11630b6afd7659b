"""How each command runs: its options, its environment, its logs, its HTTP surfaces, its end.

In reading order:

* `command_line`: options, and how an error ends a command.
* `service`: runs a process: surfaces, supervised threads, shutdown.
* `environment`: the only reader of environment variables.
* `logs`, `log_actions`: log levels, formats and repeats; what each `action` means.
* `telemetry`: traces and metrics to an OpenTelemetry collector.
* `first_answer`: waits at the start for servers that have not answered yet.
* `server_watch`: asks each server at intervals whether it answers.
* `shutdown`: signals.
* `http`: the public and the private surface.
* `connection_limits`, `password_tries`: what a client may take of them.
* `administration`, `overview_route`: the routes that ask for something.
* `page/`: the status page.
* `progress_bar`, `progress_bars`: how far something is: bars on a terminal, lines elsewhere.
"""
