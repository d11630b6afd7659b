"""OpenTelemetry: traces and metrics to a collector, where the standard `OTEL_*` variables name one.

Only `spans`, `metric_data` and `exporters` import it, and they are imported only then.  In reading order:

* `settings`: which signals the variables ask for (pure).
* `start`: what a process gets: a tracer, and what ends it.
* `exporters`: from the variables to exporters and the resource.
* `spans`: the tracer over OpenTelemetry's.
* `metric_data`: the metrics of `/metrics` as OTLP has them.
"""
