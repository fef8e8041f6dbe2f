"""From a pod to its classification, the current failure of its workload, and recovery.

pod_filters      which pods need to be classified
pod_controller   processes every change of a pod; with
  opt_out          … namespaces, pods and workloads that are ignored
  classification   … the categorizer, with events and owner where they can change the verdict
  classification_interval  … how often one pod or workload is classified
  pending_timers   … pods that are pending, until their grace period has expired
  pod_cache        … pods that failed or are pending, to process them again
  pod_uids         … UIDs of all existing pods
workload_failures  workloads that fail without a pod that shows it; with
  job_failures     … Jobs whose pods were deleted before their failure was observed
recovery         when a failing workload has recovered; with
  failing_workloads  … all failing workloads, found by their pods and controllers
  recovery_state   … the state of one failing workload: which of its pods fail, have ended, or are healthy
  workload_health  … what the status of a workload says, per kind
"""
