"""Findings: facts read from a pod, its events and its owner.

collect            all findings of a pod, the primary one first
containers         containers that ended or cannot start; with the help of
  termination_cause    what ended an instance, beyond its exit code:
    probe_kills          a probe or a hook
    node_oom             the kernel of the node
  intended_restarts    ends that the pod's author intended: restart rules, resizes
  tekton               ends that Tekton causes: skipped steps, replaced sidecars
  device_health        unhealthy devices that a container holds
  image_pull           the cause behind ErrImagePull and ImagePullBackOff
pod_status         the pod as a whole: evictions, disruptions, deletions, Unschedulable; with
  scheduler_message    the scheduler's sentence, parsed
startup_events     events of pods that cannot start, and of workloads whose pods cannot be created
job_condition      a Job's own Failed condition
finding            the type
"""
