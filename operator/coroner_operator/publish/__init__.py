"""Where a verdict is published beyond the report: in the workload's own status, and as Kubernetes Events.

publisher        builds the parts below; publishes again when a kind becomes available
notifier         for each changed report: first the workload's status, then an Event; another sink comes here
target_kinds     the custom kinds that a site has listed, as they are served now
target_schema    where in a kind's status a verdict can be written, decided by its CRD
schema_pruning   the part of a value that a schema accepts
status_block     a report as the block ``status.failure``, or as one condition
workload_status  writes and checks the status of workloads
status_sync      what is still to be applied to one workload's status
event_recorder   sends Events, and counts repeated ones in a series
event_renewal    keeps the Event of a workload that still fails
event_series     one Event with its series
token_bucket     the rate limit of Events
"""
