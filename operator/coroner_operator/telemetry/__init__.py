"""What can be observed of the operator itself.

metrics        Prometheus metrics
health_server  /healthz, /readyz, /metrics
log_format     log records, redacted, as text or JSON
"""
