"""What others can see of the operator itself.

metrics        counters and gauges for Prometheus
health_server  serves them, /healthz and /readyz
log_format     log records as text or JSON, redacted
"""
