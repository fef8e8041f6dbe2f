"""The operator: everything that talks to a cluster, and the ``coroner`` command.

In the order in which data reaches them:

__main__     the entry point of ``coroner``
cli/         its subcommands: run, explain, lint
config/      settings, rules files and their reload
runtime/     the process: start and stop, leader election
kube/        access to the API server: client, list and watch, owners, work queue
controller/  from a pod to its classification, the current failure of its workload, and recovery
model/       reports and failures as pure values, and the ledger that counts failures
reports/     FailureReports in memory and on the API server
publish/     the verdict outside of the report: status of the workload, Events
anonymize/   objects without names, for a bug report
telemetry/   metrics, health endpoints, log format
"""
