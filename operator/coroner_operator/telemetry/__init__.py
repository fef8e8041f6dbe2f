"""What others can see of the operator itself.

failure_series  the failures of workloads as series, bounded in number
node_failures   on which nodes the pods of many workloads fail
ended_workloads how many workloads have ended, by outcome
metrics         counters and gauges for Prometheus
http_server     a small server for GET requests of any client
health_server   serves them, /healthz and /readyz
log_format      log records as text or JSON, redacted
"""
