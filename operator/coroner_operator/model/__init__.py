"""Reports and failures as pure values.

workload_ref     the workload that a report is about, and the name of the report
observation      one observation of one failure
failure_record   a failure as a report stores it, and the order of records
merge_order      which of two observations of one failure is kept
current_failure  which failure of a workload is the current one
initiator        attempts of a workload, and the pods that ended because of the one that failed first
ledger           the failures that have been counted; with
  ledger_builder   … changes
  ledger_codec     … its form in the report
report           a report, its recovery, and the pruning of deleted pods
fold             how observations enter a report
stored_report    the shape of a FailureReport that is read, and its limits
report_codec     a report as a FailureReport object, and back
sample_reports   reports in which every field is set, to compare with the schema

A new field of the status: report or failure_record, report_codec, stored_report, sample_reports, and crds/.
"""
