"""The operator: everything that talks to a cluster. In the order in which data meets them:

settings, durations       what a site can set; parsed once, or every mistake at once
__main__, cli             the ``coroner`` command
app                       kopf: the process's life and our own kinds; the only module that knows kopf
engine                    the parts put together, started and stopped in order
client, api_errors,       requests to the API server, what it can answer instead, and when to try again
backoff
streams                   LIST in chunks, then WATCH; a consumer is told of every object
triage                    which pods deserve a second look
pipeline                  pod → judgement → sightings and recovery; helped by
  judging, pod_events       … the categorizer, with events and owner where they could change its answer
  failed_jobs               … Jobs whose pods vanished before one was seen to fail
  suspects, living          … pods that may be looked at again; UIDs of all that exist
  patience                  … waits that have not lasted long enough
  owners                    … the topmost controller of a pod
report, sighting,         a report as a value, and what folds into it (pure)
record, ledger,
ledger_text,
report_status,
workload_ref
reports, store            the reports in memory and on the API server
desk, worth_writing,      what is to be written of each workload: gathered, merged, tried until it holds
writer
recovery, case,           when a failing workload is well again
workload_state
metrics, health, logs     what others can see of the operator itself
"""
