"""The verdict outside of the report.

publisher        everything that follows the write of a report
notifier         first the status of the workload, then an Event
workload_status  writes the verdict to the status of listed kinds; with
  status_sync      … the state of one workload, and of other writers
  target_kinds     … the listed kinds, as they are currently served
  target_schema    … where a kind has room for the verdict
  status_block     … the verdict as a status block or condition
  schema_pruning   … the part of it that the schema accepts
event_recorder   Kubernetes Events; with
  event_series     … repetitions, counted in a series
  token_bucket     … rate limits
"""
