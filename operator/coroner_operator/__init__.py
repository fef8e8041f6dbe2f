"""The operator: everything that talks to a cluster. In the order in which data meets them:

settings, durations       what a site can set; parsed once, or every mistake at once
__main__, cli             the ``coroner`` command
app                       kopf: the process's life and our own kinds; the only module that knows kopf
engine                    the parts put together, started and stopped in order
leader, lease             which replica works; the fence that keeps the others from writing
rulebook, reloading       the site's rules and patterns; taken over or refused when they change
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
record, ledger, holding,
accusation, ledger_text,
report_status,
workload_ref
reports, store            the reports in memory and on the API server
desk, worth_writing,      what is to be written of each workload: gathered, merged, tried until it holds
writer
recovery, case,           when a failing workload is well again
workload_state
skew_guard, schema_skew,  nothing is written until the served schema keeps all of it
crd_watch
outlets                   where a verdict is told beyond the report; helped by
  telling                   … which failure is told: the workload first, then an Event
  workload_kinds            … the custom kinds that a site has listed, found and lost at run time
  workload_schema,          … where their objects can say it, what is said, and what the schema keeps of it (pure)
  workload_block, schema_fit
  on_workload, notice       … said there, and said again against other writers, up to a point
  recorder, event_series,   … Events, repetitions counted in series
  token_bucket
retention, archive,       reports whose workload is gone are deleted after a while
census
metrics, health, logs     what others can see of the operator itself
"""
