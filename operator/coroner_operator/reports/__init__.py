"""FailureReports in memory and on the API server.

store               reads and writes reports
cache               the reports that the operator knows
pending_writes      what has to be written for a workload
failure_counter     which failures the metrics have counted, beyond the life of a report
changes             which part of a report has changed
writer              writes reports: batched, rate-limited, retried
report_watch        what others do to reports
report_limit        how many reports a namespace may have
schema_gate         blocks writes until the served schema is complete; with
  schema_check        … comparison of a served CRD with the fields that the code writes
retention           deletes reports of deleted workloads; with
  expiry_index        … a summary of every report
  workload_existence  … whether a workload still exists
"""
