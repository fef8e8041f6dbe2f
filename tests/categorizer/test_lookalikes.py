"""Failures that look like another failure, or like a failure when nothing failed. Each row states one rule."""

from __future__ import annotations

from typing import Any

import pytest

import coroner_categorizer as cc
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import (
    completed,
    condition,
    crash_looping,
    create_failed,
    disrupted,
    event,
    failed,
    job,
    killing,
    on_node,
    pod,
    running,
    terminated,
    unschedulable,
    waiting,
    without_limits,
)

Json = dict[str, Any]

TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    main()\n{}\n'
ARGO_WORKFLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w", "uid": "uid-w"}}

# (rule, pod, events, owner, category/subcategory or None)
LOOKALIKES: list[tuple[str, Json, list[Json], Json | None, str | None]] = [
    ("OOMKilled with 137 is an OOM", pod(failed(137, "OOMKilled")), [], None, "resources/oom-killed"),
    ("OOMKilled with another code is an OOM", pod(failed(1, "OOMKilled")), [], None, "resources/oom-killed"),
    ("OOMKilled with 0 on a pod that succeeded is not an OOM", pod(completed() | {"state": {"terminated": terminated(0, "OOMKilled")}}), [], None, None),
    ("OOMKilled with 143 is a stale flag", pod(failed(143, "OOMKilled")), [], None, "disruption/terminated"),
    ("137 with reason Error is not an OOM", pod(failed(137)), [], None, "unknown/sigkill"),
    ("a program's own message does not explain a SIGKILL", pod(failed(137, message="CUDA out of memory")), [], None, "unknown/sigkill"),
    ("ContainerStatusUnknown is set by the kubelet", pod(failed(137, "ContainerStatusUnknown")), [], None, "platform/status-lost"),
    ("a disruption outranks the exit code", pod(failed(137), conditions=(disrupted("PreemptionByScheduler"),)), [], None, "disruption/preempted"),
    ("a disruption outranks the exit code of a program that was asked to stop", pod(failed(1), conditions=(disrupted("EvictionByEvictionAPI"),)), [], None, "disruption/api-eviction"),
    ("a pod that had failed before the disruption keeps its own verdict", pod(failed(3), conditions=(disrupted("DeletionByTaintManager", at="2026-11-21T21:20:00Z"),)), [], None, "user-code/error-exit"),
    ("a disruption of a pod that is still running is not a failure yet", pod(running(), conditions=(disrupted("EvictionByEvictionAPI"),)), [], None, None),
    ("a pod that completed while being evicted has no verdict", pod(completed(), conditions=(disrupted("EvictionByEvictionAPI"),)), [], None, None),
    ("a DisruptionTarget condition that is False is ignored", pod(failed(3), conditions=(condition("DisruptionTarget", "False", "PreemptionByScheduler"),)), [], None, "user-code/error-exit"),
    ("a node that no longer exists outranks what the containers show", pod(running(), phase="Failed", conditions=(disrupted("DeletionByPodGC", "PodGC: node no longer exists"),)), [], None, "disruption/node-gone"),
    ("a crash loop's cause is in lastState", pod(crash_looping(139)), [], None, "user-code/segfault"),
    ("a crash loop of OOM kills is an OOM", pod(crash_looping(137, "OOMKilled")), [], None, "resources/oom-killed"),
    ("a container that keeps completing is a configuration error", pod(crash_looping(0), restart_policy="Always"), [], None, "user-config/completed-restarting"),
    ("a container that has recovered is not a failure", pod(running(last=terminated(1), restarts=1)), [], None, None),
    ("a container that runs again but never became ready is still failing", pod(running(last=terminated(7), restarts=1, ready=False), conditions=(condition("Ready", "False", at="2026-11-21T21:15:50Z"),)), [], None, "user-code/error-exit"),
    ("an old crash does not explain why a container is not ready now", pod(running(last=terminated(7), restarts=1, ready=False), conditions=(condition("Ready", "False", at="2026-11-21T23:00:00Z"),)), [], None, None),
    ("a sidecar stopped with its pod is noise", pod(failed(1, name="main"), sidecars=(failed(137, name="proxy", at="2026-11-21T21:15:52Z"),)), [], None, "user-code/error-exit"),
    ("a sidecar lost at the end of a success is noise", pod(completed(), sidecars=(failed(137, "ContainerStatusUnknown", name="proxy"),)), [], None, None),
    ("a sidecar that crashes while the program runs is a failure", pod(running(), sidecars=(crash_looping(6, name="proxy"),)), [], None, "user-code/error-exit"),
    ("a plain container comes before a sidecar that crashed first", pod(failed(139), sidecars=(failed(6, name="proxy", at="2026-11-21T21:15:41Z"),)), [], None, "user-code/segfault"),
    ("an OOM comes before another exit code that occurred first", pod(failed(1, name="a", at="2026-11-21T21:15:45Z"), failed(137, "OOMKilled", name="b")), [], None, "resources/oom-killed"),
    ("the program's own exit code comes before a kill that occurred first", pod(failed(137, name="a", at="2026-11-21T21:15:45Z"), failed(3, name="b")), [], None, "user-code/error-exit"),
    ("node pressure is caused by the node", pod(failed(137), phase="Failed", reason="Evicted", message="The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "), [], None, "disruption/node-pressure-memory"),
    ("disk pressure reads like the pod's own limit and is caused by the node", pod(failed(137), phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi. "), [], None, "disruption/node-pressure-disk"),
    ("a restarted kubelet under pressure rejects pods", pod(phase="Failed", reason="Evicted", message="Pod was rejected: The node had condition: [DiskPressure]. "), [], None, "disruption/node-pressure-disk"),
    ("the pod's own storage limit is caused by the pod", pod(failed(137), phase="Failed", reason="Evicted", message='Container main exceeded its local ephemeral storage limit "10Mi". '), [], None, "resources/ephemeral-storage-limit"),
    ("an eviction for an unrecognized cause is reported as it is", pod(failed(137), phase="Failed", reason="Evicted", message="because of the weather"), [], None, "unknown/uncategorized"),
    ("a pod rejected at admission has only a reason", pod(phase="Failed", reason="NodeAffinity", message="Pod was rejected: Predicate NodeAffinity failed"), [], None, "platform/node-affinity"),
    ("a node may lack any resource", pod(phase="Failed", reason="OutOfnvidia.com/gpu", message="Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 1, used: 0, capacity: 0"), [], None, "capacity/node-out-of-resource"),
    ("a kill after the deletion request belongs to the deletion", pod(failed(137), deleted="2026-11-21T21:16:10Z"), [], None, "cancelled/deleted"),
    ("a kill before the deletion request does not", pod(failed(137, at="2026-11-21T21:15:00Z"), deleted="2026-11-21T21:16:10Z"), [], None, "unknown/sigkill"),
    ("a program that ended by itself while being deleted keeps its verdict", pod(failed(3), deleted="2026-11-21T21:16:10Z"), [], None, "user-code/error-exit"),
    ("a deleted pod that is still running has not failed", pod(running(), deleted="2026-11-21T21:16:30Z"), [], None, None),
    ("a deleted pod that completed has not failed", pod(completed(), deleted="2026-11-21T21:16:10Z"), [], None, None),
    ("the Job's deadline explains the deletion of its pod", pod(failed(137), deleted="2026-11-21T21:16:10Z"), [], job(condition("Failed", "True", "DeadlineExceeded")), "resources/deadline-exceeded"),
    ("the Job's back-off limit does not explain a deletion", pod(failed(137), deleted="2026-11-21T21:16:10Z"), [], job(condition("Failed", "True", "BackoffLimitExceeded")), "cancelled/deleted"),
    ("a liveness probe needs the failed probe and the kill", pod(failed(137)), [event("Unhealthy", "Liveness probe failed: HTTP 500", "main"), killing()], None, "user-code/liveness-probe"),
    ("a liveness probe that failed without a kill is not a cause", pod(failed(1)), [event("Unhealthy", "Liveness probe failed: HTTP 500", "main")], None, "user-code/error-exit"),
    ("a kill without a failed probe is not caused by a probe", pod(failed(137)), [killing()], None, "unknown/sigkill"),
    ("another container's probe is ignored", pod(failed(137, name="a"), running("b")), [event("Unhealthy", "Liveness probe failed: ", "b"), killing("Stopping container b", "b")], None, "unknown/sigkill"),
    ("a probe after the end did not cause it", pod(failed(137)), [event("Unhealthy", "Liveness probe failed: ", "main", at="2026-11-21T21:30:00Z"), killing(at="2026-11-21T21:30:00Z")], None, "unknown/sigkill"),
    ("a readiness probe does not kill", pod(failed(137)), [event("Unhealthy", "Readiness probe failed: ", "main"), killing()], None, "unknown/sigkill"),
    ("a program that handles SIGTERM when its probe fails was killed because of the probe", pod(failed(143)), [event("Unhealthy", "Liveness probe failed: ", "main"), killing()], None, "user-code/liveness-probe"),
    ("a program's own exit code after a failed probe is caused by the probe", pod(failed(127)), [event("Unhealthy", "Liveness probe failed: ", "main"), killing()], None, "user-code/liveness-probe"),
    ("a Job that has succeeded stops its other pods, which is not a failure", pod(failed(137), deleted="2026-11-21T21:16:10Z"), [], job(condition("SuccessCriteriaMet", "True", "SuccessPolicy")), None),
    ("an in-place edit is not a kill by a probe", pod(failed(1)), [event("Unhealthy", "Liveness probe failed: ", "main"), killing("Container main definition changed, will be restarted")], None, "user-code/error-exit"),
    ("a blob that the node lost is not a missing image", pod(waiting("ErrImagePull", 'failed to pull and unpack image "r.example/app:1": failed to prepare extraction snapshot "extract-1 sha256:a": parent snapshot sha256:b does not exist: not found')), [], None, "platform/image-store"),
    ("a layer that cannot be unpacked is not a missing permission", pod(waiting("ErrImagePull", 'failed to pull and unpack image "r.example/app:1": failed to extract layer sha256:a: failed to mount /var/lib/x: permission denied: unknown')), [], None, "unknown/uncategorized"),
    ("musl's loader also names the library", pod(failed(127, message="Error loading shared library libstdc++.so.6: No such file or directory (needed by /app/server)")), [], None, "user-config/bad-command"),
    ("a lone surrogate does not stop the classification", pod(waiting("CreateContainerConfigError", "\ud800")), [], None, "unknown/uncategorized"),
    ("a startup probe is distinguished from a liveness probe", pod(failed(137)), [event("Unhealthy", "Startup probe failed: ", "main"), killing()], None, "user-code/startup-probe"),
    ("a program that exits with 0 when its probe fails was killed because of the probe", pod(crash_looping(0), restart_policy="Always"), [event("Unhealthy", "Liveness probe failed: ", "main"), killing("Container main failed liveness probe, will be restarted")], None, "user-code/liveness-probe"),
    ("OOMKilled outranks a probe", pod(failed(137, "OOMKilled")), [event("Unhealthy", "Liveness probe failed: ", "main"), killing()], None, "resources/oom-killed"),
    ("a container with a failed postStart hook was killed because of it", pod(failed(137)), [event("FailedPostStartHook", "PostStartHook failed", "main"), killing("FailedPostStartHook")], None, "user-config/post-start-hook"),
    ("events of another pod with the same name are ignored", pod(failed(137)), [event("Unhealthy", "Liveness probe failed: ", "main", uid="other"), event("Killing", "Stopping container main", "main", "Normal", uid="other")], None, "unknown/sigkill"),
    ("warnings on a healthy pod are not a failure", pod(running()), [event("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "x" not found'), event("BackOff", "Back-off restarting failed container")], None, None),
    ("a mount that only waits for the kubelet's cache is not a failure", pod(waiting("ContainerCreating")), [event("FailedMount", 'MountVolume.SetUp failed for volume "t" : failed to sync configmap cache: timed out waiting for the condition')], None, None),
    ("a token requested before the API server has seen the binding is not a failure", pod(waiting("ContainerCreating")), [event("FailedMount", 'MountVolume.SetUp failed for volume "kube-api-access-n9wfh" : failed to fetch token: serviceaccounts "default" is forbidden: node requested token bound to a pod scheduled on a different node')], None, None),
    ("a missing Secret in a volume is reported by an event only", pod(waiting("ContainerCreating")), [event("FailedMount", 'MountVolume.SetUp failed for volume "t" : secret "nope" not found')], None, "user-config/missing-config"),
    ("a mount that succeeded later is not a cause", pod(waiting("ContainerCreating")), [event("FailedMount", 'MountVolume.SetUp failed for volume "t" : secret "nope" not found'), event("Pulling", 'Pulling image "app:1"', "main", "Normal", at="2026-11-21T21:16:20Z")], None, None),
    ("a merged event is read like any other", pod(waiting("ContainerCreating")), [event("FailedMount", '(combined from similar events): MountVolume.SetUp failed for volume "t" : secret "nope" not found')], None, "user-config/missing-config"),
    ("a container that is being created has not failed", pod(waiting("ContainerCreating")), [], None, None),
    ("back-off hides the cause that an event still has", pod(waiting("ImagePullBackOff", 'Back-off pulling image "app:1"')), [event("Failed", 'Failed to pull image "app:1": rpc error: code = NotFound desc = app:1: not found', "main")], None, "user-config/image-not-found"),
    ("the cause of a back-off is not guessed", pod(waiting("ImagePullBackOff", 'Back-off pulling image "app:1"')), [], None, "unknown/uncategorized"),
    ("a registry that does not respond is not a missing image", pod(waiting("ErrImagePull", 'failed to pull image "r.example/app:1": dial tcp: lookup r.example: no such host')), [], None, "platform/registry-unavailable"),
    ("Argo's Workflow has the condition Completed however it ended", pod(failed(137), deleted="2026-11-21T21:16:18Z"), [], ARGO_WORKFLOW | {"status": {"phase": "Failed", "conditions": [condition("Completed", "True")]}}, "cancelled/deleted"),
    ("a pod that is stopped because its Workflow succeeded", pod(failed(137), deleted="2026-11-21T21:16:18Z"), [], ARGO_WORKFLOW | {"status": {"phase": "Succeeded", "conditions": [condition("Completed", "True")]}}, None),
    ("a scheduling gate is intended", pod(conditions=(condition("PodScheduled", "False", "SchedulingGated"),)), [], None, None),
    ("a logged traceback that was handled is not the cause", pod(failed(1, message=TRACEBACK.format("ValueError: x") + "2026-11-21 21:15:49 INFO retrying\n2026-11-21 21:15:50 ERROR giving up")), [], None, "user-code/error-exit"),
    ("output flushed after the traceback does not hide it", pod(failed(1, message=TRACEBACK.format("ValueError: x") + "step 1\nstep 2\n")), [], None, "user-code/uncaught-exception"),
    ("advice is never a cause", pod(failed(1, message="It is possible that the GPU is out of memory.\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.")), [], None, "user-code/error-exit"),
    ("a CUDA OOM that was handled is not the cause of a later error", pod(failed(1, message="WARNING CUDA out of memory, halving the batch\n" + TRACEBACK.format("KeyError: 'label'"))), [], None, "user-code/uncaught-exception"),
    ("a CUDA OOM inside torchrun's error is the cause", pod(failed(1, message=TRACEBACK.format("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB") + TRACEBACK.format("torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n====\ntrain.py FAILED"))), [], None, "accelerator/device-oom"),
    ("the failure of an init container is the pod's failure", pod(waiting("PodInitializing"), phase="Failed", init=(failed(4, name="setup"),)), [], None, "user-code/error-exit"),
    ("a container that failed permanently before a deletion stopped its sidecar keeps its verdict", pod(failed(1, at="2026-11-21T21:15:41Z"), failed(137, name="proxy", at="2026-11-21T22:16:09Z"), deleted="2026-11-21T22:16:10Z"), [], None, "user-code/error-exit"),
    ("a crash loop that a deletion ended is a deletion", pod(failed(1, at="2026-11-21T21:15:41Z"), failed(137, name="proxy", at="2026-11-21T22:16:09Z"), deleted="2026-11-21T22:16:10Z", restart_policy="Always"), [], None, "cancelled/deleted"),
    ("a container that failed permanently before a node shutdown keeps its verdict (before 1.26)", pod(failed(1, at="2026-11-21T21:00:41Z"), failed(143, name="proxy"), phase="Failed", reason="Terminated", message="Pod was terminated in response to imminent node shutdown."), [], None, "user-code/error-exit"),
    ("a container that ended during a node shutdown was ended by the shutdown", pod(failed(1), failed(143, name="proxy"), phase="Failed", reason="Terminated", message="Pod was terminated in response to imminent node shutdown."), [], None, "disruption/node-shutdown"),
    ("the scheduler's preemption had another name in 1.25", pod(failed(137), conditions=(disrupted("PreemptionByKubeScheduler"),)), [], None, "disruption/preempted"),
    ("Kueue has a condition of its own", pod(failed(143), conditions=(condition("TerminationTarget", "True", "WorkloadEvictedDueToPreempted", "Preempted", at="2026-11-21T21:15:49Z"),), deleted="2026-11-21T21:16:10Z"), [], None, "disruption/preempted"),
    ("Karpenter's event names who removed the pod", pod(failed(143), deleted="2026-11-21T21:16:18Z"), [event("Evicted", "Evicted pod: Underutilized", type_="Normal") | {"source": {"component": "karpenter"}}], None, "disruption/evicted-by-controller"),
    ("the descheduler's event names who removed the pod", pod(failed(137), deleted="2026-11-21T21:16:18Z"), [event("Descheduled", "pod evicted from node-1 node by sigs.k8s.io/descheduler", type_="Normal") | {"source": {"component": "sigs.k8s.io/descheduler"}}], None, "disruption/evicted-by-controller"),
    ("newer deschedulers give the strategy as the reason", pod(failed(137), deleted="2026-11-21T21:16:18Z"), [event("LowNodeUtilization", "pod evicted from node-1 node by sigs.k8s.io/descheduler", type_="Normal") | {"source": {"component": "sigs.k8s.io/descheduler"}}], None, "disruption/evicted-by-controller"),
    ("the descheduler could not evict the pod, and somebody else deleted it", pod(failed(137), deleted="2026-11-21T21:16:18Z"), [event("EvictionFailed", "pod eviction from node-1 node by sigs.k8s.io/descheduler failed: total eviction limit exceeded (1)", type_="Warning") | {"source": {"component": "sigs.k8s.io/descheduler"}}], None, "cancelled/deleted"),
    ("before 1.25 only an event tells of a preemption", pod(failed(137), deleted="2026-11-21T21:16:18Z"), [event("Preempted", "Preempted by default/p on node node-1", type_="Normal") | {"source": {"component": "default-scheduler"}}], None, "disruption/preempted"),
    ("a pod that failed before it was preempted keeps its own failure", pod(failed(3, at="2026-11-21T21:10:00Z"), deleted="2026-11-21T21:16:18Z"), [event("Preempted", "Preempted by default/p on node node-1", type_="Normal") | {"source": {"component": "default-scheduler"}}], None, "user-code/error-exit"),
    ("the taint manager's event of clusters without the condition", pod(failed(143), deleted="2026-11-21T21:16:18Z"), [event("TaintManagerEviction", "Marking for deletion Pod default/p", type_="Normal") | {"source": {"component": "taint-controller"}}], None, "disruption/taint-eviction"),
    ("the taint manager gave up its deletion, and somebody else deleted the pod", pod(failed(143), deleted="2026-11-21T21:16:18Z"), [event("TaintManagerEviction", "Cancelling deletion of Pod default/p", type_="Normal") | {"source": {"component": "taint-controller"}}], None, "cancelled/deleted"),
    ("a pod that Karpenter removed and that had failed before keeps its own failure", pod(failed(3, at="2026-11-21T21:10:00Z"), deleted="2026-11-21T21:16:18Z"), [event("Evicted", "Evicted pod: Empty", type_="Normal") | {"source": {"component": "karpenter"}}], None, "user-code/error-exit"),
    ("Kueue does not queue a workload again that was deactivated", pod(failed(143), conditions=(condition("TerminationTarget", "True", "WorkloadEvictedDueToDeactivated", "The workload is deactivated", at="2026-11-21T21:15:49Z"),), deleted="2026-11-21T21:16:10Z"), [], None, "disruption/queue-evicted"),
    ("a program that got a stop signal says so, and ends with 1", pod(failed(1, message=TRACEBACK.format("torch.distributed.elastic.multiprocessing.api.SignalException: Process 1 got signal: 15")), deleted="2026-11-21T21:16:18Z"), [], None, "cancelled/deleted"),
    ("a program that got a stop signal before any deletion", pod(failed(1, message=TRACEBACK.format("torch.distributed.elastic.multiprocessing.api.SignalException: Process 1 got signal: 15"))), [], None, "user-code/uncaught-exception"),
    ("a program that fails while its pod is deleted, for another reason", pod(failed(1, message=TRACEBACK.format("ValueError: bad input")), deleted="2026-11-21T21:16:18Z"), [], None, "user-code/uncaught-exception"),
    ("a program that names its handler of the signal, and fails for another reason", pod(failed(1, message="SIGTERM handler installed\nERROR cannot open /in\n"), deleted="2026-11-21T21:16:18Z"), [], None, "user-code/error-exit"),
    ("a pod that the vertical pod autoscaler removed and that had failed before keeps its own failure", pod(failed(3, at="2026-11-21T21:10:00Z"), deleted="2026-11-21T21:16:18Z"), [event("EvictedByVPA", "Pod was evicted by VPA Updater to apply resource recommendation.", type_="Normal") | {"source": {"component": "vpa-updater"}}], None, "user-code/error-exit"),
    ("the command of a probe is missing", pod(running(last=terminated(137, "Error"), restarts=1, ready=False), conditions=(condition("Ready", "False"),)), [event("Unhealthy", 'Liveness probe failed: OCI runtime exec failed: exec failed: unable to start container process: exec: "curl": executable file not found in $PATH: unknown', "main"), killing("Container main failed liveness probe, will be restarted")], None, "user-code/liveness-probe"),
    ("Fargate's scheduler sets no condition", pod(phase="Pending") | {"spec": {"containers": [{"name": "main", "image": "app:1"}]}}, [event("FailedScheduling", "Pod not supported on Fargate: fields not supported: HostNetwork") | {"source": {"component": "fargate-scheduler"}}], None, "user-config/not-supported-on-node"),
    ("a scheduling gate is no refusal", pod(phase="Pending", conditions=(condition("PodScheduled", "False", "SchedulingGated", "gated"),)), [event("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu.")], None, None),
    ("a disruption by a controller that no rule knows", pod(failed(143), conditions=(condition("DisruptionTarget", "True", "DeletionByDescheduler", "too many", at="2026-11-21T21:15:49Z"),), deleted="2026-11-21T21:16:10Z"), [], None, "disruption/terminated"),
    ("a probe's kill of an earlier instance does not explain the program's own exit code", pod(failed(1)), [event("Unhealthy", "Liveness probe failed: ", "main"), killing("Container main failed liveness probe, will be restarted", at="2026-11-21T20:45:00Z")], None, "user-code/error-exit"),
    ("a kill that names no probe belongs to the deletion if one was requested", pod(failed(1), deleted="2026-11-21T21:16:18Z"), [event("Unhealthy", "Liveness probe failed: ", "main"), killing()], None, "user-code/error-exit"),
    ("a postStart hook fails because the program has ended", pod(failed(1, message=TRACEBACK.format("ModuleNotFoundError: No module named 'settings'"))), [event("FailedPostStartHook", "PostStartHook failed", "main"), killing("FailedPostStartHook")], None, "user-code/uncaught-exception"),
    ("an OOM kill at a memory limit at the time of a kill may be its cause", pod(failed(137)), [on_node("OOMKilling", "Memory cgroup out of memory: Killed process 4711 (java) total-vm:1kB")], None, "resources/oom-suspected"),
    ("an OOM kill after the container ended is ignored", pod(failed(137)), [on_node("OOMKilling", "Memory cgroup out of memory: Killed process 4711 (java) total-vm:1kB", at="2026-11-21T21:16:10Z")], None, "unknown/sigkill"),
    ("an OOM kill on another node is ignored", pod(failed(137)), [on_node("SystemOOM", "System OOM encountered, victim process: java, pid: 4711", node="node-2")], None, "unknown/sigkill"),
    ("a mount that failed before an init container started is resolved", pod(waiting("PodInitializing"), init=(running("setup"),)), [event("FailedMount", 'MountVolume.SetUp failed for volume "v" : rpc error', at="2026-11-21T21:15:30Z")], None, None),
    ("a sandbox that was created after a failed attempt is resolved", pod(waiting("ContainerCreating"), conditions=(condition("PodReadyToStartContainers", "True", at="2026-11-21T21:15:55Z"),)), [event("FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: no network")], None, None),
    ("a volume that was attached later is not a failure", pod(waiting("ContainerCreating")), [event("FailedAttachVolume", 'Multi-Attach error for volume "v"'), event("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "v"', type_="Normal", at="2026-11-21T21:17:00Z")], None, None),
    ("the attachment of another volume is ignored", pod(waiting("ContainerCreating")), [event("FailedAttachVolume", 'Multi-Attach error for volume "v"'), event("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "w"', type_="Normal", at="2026-11-21T21:17:00Z")], None, "platform/volume-attach"),
    ("an old cause does not explain a mount that times out now", pod(waiting("ContainerCreating")), [event("FailedMount", 'MountVolume.SetUp failed for volume "t" : secret "nope" not found'), event("FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", at="2026-11-21T22:00:00Z")], None, "platform/volume-mount"),
    ("a volume attached elsewhere is reported once, while mounts keep timing out", pod(waiting("ContainerCreating")), [event("FailedAttachVolume", 'Multi-Attach error for volume "v"'), event("FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", at="2026-11-21T22:00:00Z")], None, "platform/volume-attach"),
    ("an OOM kill at a memory limit is ignored for a container without a limit", without_limits(pod(failed(137))), [on_node("OOMKilling", "Memory cgroup out of memory: Killed process 4711 (java) total-vm:1kB")], None, "unknown/sigkill"),
    ("an absurd number of nodes does not cause an error", unschedulable(f"0/{'9' * 5000} nodes are available: {'9' * 5000} Insufficient cpu."), [], None, "capacity/insufficient-cpu"),
    ("phase Failed and nothing else is reported as it is", pod(phase="Failed"), [], None, "unknown/uncategorized"),
    ("a pod that has not been started yet is not failing", pod(), [], None, None),
    ("phase Unknown alone is not a failure", pod(running(), phase="Unknown"), [], None, None),
]  # fmt: skip


@pytest.fixture(scope="module")
def categorizer() -> cc.Categorizer:
    return CATEGORIZER


@pytest.mark.parametrize(
    ("subject", "events", "owner", "expected"), [t[1:] for t in LOOKALIKES], ids=[t[0] for t in LOOKALIKES]
)
def test_lookalike(
    subject: Json, events: list[Json], owner: Json | None, expected: str | None, categorizer: cc.Categorizer
) -> None:
    verdict = categorizer.classify(subject, events, owner=owner)
    assert (f"{verdict.category}/{verdict.subcategory}" if verdict else None) == expected


# (scheduler's sentence, subcategory)
SCHEDULER_MESSAGES = [
    ("0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.", "capacity/insufficient-cpu"),
    ("0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient memory. preemption: 0/3 nodes are available.", "capacity/insufficient-memory"),
    ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "capacity/insufficient-gpu"),
    ("0/3 nodes are available: 3 Insufficient example.com/license.", "capacity/insufficient-resource"),
    ("0/3 nodes are available: 3 Insufficient ephemeral-storage.", "capacity/insufficient-ephemeral-storage"),
    ("0/3 nodes are available: 3 Too many pods. preemption: not eligible", "capacity/insufficient-pods"),
    ("0/3 nodes are available: 3 node(s) were unschedulable.", "capacity/nodes-unschedulable"),
    ("0/5 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 2 node(s) didn't match Pod's node affinity/selector.", "user-config/node-selector"),
    ("0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: gpu}.", "user-config/toleration"),
    ("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.", "user-config/host-port"),
    ("0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints (missing required label).", "user-config/topology-spread"),
    ("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.", "user-config/pod-affinity"),
    ("0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.", "user-config/pod-affinity"),
    ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", "user-config/volume-node-affinity"),
    ("0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.", "user-config/volume-node-affinity"),
    ("0/1 nodes are available: request card: device class no-such.example.com does not exist. no new claims to deallocate.", "user-config/missing-resource-claim"),
    ("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found", "user-config/pvc-unbound"),
    ('0/1 nodes are available: persistentvolumeclaim "nope" not found. not found', "user-config/missing-volume"),
    ("0/3 nodes are available: 3 cannot allocate all claims.", "capacity/insufficient-device"),
    ("0/3 nodes are available: 3 something that no release has ever said.", "unknown/uncategorized"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "expected"), SCHEDULER_MESSAGES, ids=[r[1] + " " + str(i) for i, r in enumerate(SCHEDULER_MESSAGES)]
)
def test_the_scheduler_message_is_parsed(message: str, expected: str, categorizer: cc.Categorizer) -> None:
    verdict = categorizer.classify(unschedulable(message))
    assert verdict is not None
    assert f"{verdict.category}/{verdict.subcategory}" == expected
    assert "${" not in verdict.message + verdict.hint


def test_several_scheduler_reasons_are_never_confirmed(categorizer: cc.Categorizer) -> None:
    alone = categorizer.classify(unschedulable("0/3 nodes are available: 3 Insufficient cpu."))
    mixed = categorizer.classify(unschedulable("0/3 nodes are available: 2 Insufficient cpu, 1 Too many pods."))
    assert (alone and alone.confidence, mixed and mixed.confidence) == ("Confirmed", "Likely")


FORBIDDEN = 'pods "j-x" is forbidden: '
# (text of FailedCreate, category/subcategory)
CREATE_FAILURES = [
    (FORBIDDEN + "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", "capacity/quota-exceeded"),
    (FORBIDDEN + "failed quota: q: must specify limits.memory for: main", "user-config/quota-requires-limits"),
    (FORBIDDEN + 'violates PodSecurity "restricted:latest": runAsNonRoot != true', "user-config/pod-security"),
    (FORBIDDEN + "maximum memory usage per Container is 1Gi, but limit is 2Gi", "user-config/limit-range"),
    (FORBIDDEN + 'error looking up service account d/nope: serviceaccount "nope" not found', "user-config/missing-service-account"),
    (FORBIDDEN + "no PriorityClass with name nope was found", "user-config/missing-priority-class"),
    ('admission webhook "w.example.com" denied the request: no root', "user-config/admission-denied"),
    ('Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://w.d.svc:443/?timeout=10s": context deadline exceeded', "platform/webhook-unreachable"),
    (FORBIDDEN + "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no latest", "user-config/admission-denied"),
    ('Pod "j-x" is invalid: spec.containers[0].image: Required value', "user-config/invalid-pod-spec"),
    ('namespaces "gone" not found', "user-config/missing-namespace"),
    ("an error that no rule recognizes", "unknown/uncategorized"),
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["Error creating: ", "create Pod s-0 in StatefulSet s failed error: "])
@pytest.mark.parametrize(("text", "expected"), CREATE_FAILURES, ids=[d[1] for d in CREATE_FAILURES])
def test_a_pod_that_was_never_created_is_explained(
    prefix: str, text: str, expected: str, categorizer: cc.Categorizer
) -> None:
    events = [cc.parse_event(create_failed(prefix + text))]
    verdict = categorizer.classify_workload(cc.parse_workload(job()), events).verdict
    assert verdict is not None
    assert f"{verdict.category}/{verdict.subcategory}" == expected
    assert prefix.strip() not in verdict.message


def test_a_workload_whose_pod_was_created_later_is_not_failing(categorizer: cc.Categorizer) -> None:
    created = create_failed("Created pod: j-x") | {"reason": "SuccessfulCreate", "type": "Normal"}
    created |= {"firstTimestamp": "2026-11-21T21:20:00Z", "lastTimestamp": "2026-11-21T21:20:00Z"}
    events = [cc.parse_event(e) for e in (create_failed("Error creating: x"), created)]
    assert categorizer.classify_workload(cc.parse_workload(job()), events).verdict is None


def created_by(kind: str, text: str, categorizer: cc.Categorizer) -> str:
    events = [cc.parse_event(create_failed(text))]
    verdict = categorizer.classify_workload(cc.parse_workload(job() | {"kind": kind}), events).verdict
    return verdict.message if verdict else ""


def test_what_could_not_be_created_is_named(categorizer: cc.Categorizer) -> None:
    quota = "is forbidden: exceeded quota: q, requested: requests.storage=10Gi, used: requests.storage=95Gi, limited: requests.storage=100Gi"
    claim = f'create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: persistentvolumeclaims "data-web-0" {quota}'
    assert created_by("StatefulSet", claim, categorizer).startswith("a PersistentVolumeClaim could not be created")
    its_pod = f'create Pod web-0 in StatefulSet web failed error: pods "web-0" {quota}'
    assert created_by("StatefulSet", its_pod, categorizer).startswith("a pod could not be created")


def test_a_refusal_by_several_policies_is_said_once(categorizer: cc.Categorizer) -> None:
    fields = "spec.containers[0].securityContext.privileged: Invalid value: true: Privileged containers are not allowed"
    host = "spec.securityContext.hostNetwork: Invalid value: true: Host network is not allowed to be used"
    text = f'Error creating: pods "j-x" is forbidden: unable to validate against any pod security policy: [{fields} {host} {fields}]'
    verdict = categorizer.classify_workload(cc.parse_workload(job()), [cc.parse_event(create_failed(text))]).verdict
    assert verdict is not None
    assert (verdict.hint.count(fields), verdict.hint.count(host)) == (1, 1)


POLICY = "Container main for pod proof/j-x failed with exit code {} matching FailJob rule at index 0"
# (Job, category, subcategory, confidence and a part of the text)
JOB_CONDITIONS: list[tuple[Json, tuple[str, ...] | None]] = [
    (job(condition("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline"), deadline=60), ("resources", "deadline-exceeded", "Confirmed", "60 s")),
    (job(condition("FailureTarget", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")), ("unknown", "uncategorized", "Unknown", "BackoffLimitExceeded")),
    (job(condition("Failed", "True", "PodFailurePolicy", POLICY.format(42))), ("user-code", "error-exit", "Likely", 'container "main" ended with exit code 42')),
    (job(condition("Failed", "True", "PodFailurePolicy", POLICY.format(137))), ("unknown", "uncategorized", "Unknown", "exit code 137")),
    (job(), None),
]  # fmt: skip


@pytest.mark.parametrize(("failed_job", "expected"), JOB_CONDITIONS)
def test_a_job_whose_pods_were_never_seen_reports_only_what_its_condition_says(
    failed_job: Json, expected: tuple[str, ...] | None, categorizer: cc.Categorizer
) -> None:
    verdict = categorizer.classify_job(cc.parse_workload(failed_job)).verdict
    if expected is None:
        assert verdict is None
        return
    assert verdict is not None
    *answer, words = expected
    assert [verdict.category, verdict.subcategory, verdict.confidence] == answer
    assert words in f"{verdict.message} {verdict.hint}"


def test_an_old_denial_is_not_the_current_one(categorizer: cc.Categorizer) -> None:
    quota = create_failed(
        'Error creating: pods "j-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )
    today = {"firstTimestamp": "2026-11-21T22:00:00Z", "lastTimestamp": "2026-11-21T22:00:00Z"}
    webhook = (
        create_failed(
            'Error creating: Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://w.example.com": context deadline exceeded'
        )
        | today
    )
    verdict = categorizer.classify_workload(
        cc.parse_workload(job()), [cc.parse_event(e) for e in (quota, webhook)]
    ).verdict
    assert verdict is not None
    assert verdict.subcategory == "webhook-unreachable"


@pytest.mark.parametrize(
    ("kind", "spec", "status", "is_failing"),
    [
        ("Job", {"parallelism": 2}, {"active": 2}, False),
        ("Job", {"parallelism": 2}, {"active": 1}, True),
        ("Job", {"parallelism": 3, "completions": 4}, {"active": 1, "succeeded": 3}, False),
        ("Job", {}, {}, True),
        ("CronJob", {}, {"lastScheduleTime": "2026-11-21T21:20:00Z"}, False),
        ("CronJob", {}, {"lastScheduleTime": "2026-11-21T21:10:00Z"}, True),
    ],
)
def test_a_workload_that_has_its_pods_again_is_not_failing(
    kind: str, spec: Json, status: Json, is_failing: bool, categorizer: cc.Categorizer
) -> None:
    workload = cc.parse_workload(job() | {"kind": kind, "spec": spec, "status": status})
    events = [cc.parse_event(create_failed("Error creating: an unrecognized error"))]
    assert (categorizer.classify_workload(workload, events).verdict is not None) == is_failing


LIVENESS = [
    event("Unhealthy", "Liveness probe failed: ", "main"),
    killing("Container main failed liveness probe, will be restarted"),
]
SANDBOX = [event("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.", type_="Normal")]
REFUSED = TRACEBACK.format("psycopg2.OperationalError: Connection refused")

# (rule, pod, events, confidence, a part of the text)
CONFIDENCE_CASES: list[tuple[str, Json, list[Json], str, str]] = [
    ("OOMKilled alone is Confirmed", pod(failed(137, "OOMKilled")), [], "Confirmed", "used more than its memory limit of 256Mi"),
    ("the kernel event is about the limit, not the node", pod(failed(137, "OOMKilled")), [on_node("OOMKilling", "Memory cgroup out of memory: Killed process 4711 (java)")], "Confirmed", "used more than its memory limit of 256Mi"),
    ("the node itself was out of memory", pod(failed(137, "OOMKilled")), [on_node("SystemOOM", "System OOM encountered, victim process: java, pid: 4711")], "Likely", "may have been below its own limit"),
    ("a program that hides the OOM kill of its child keeps completing", pod(crash_looping(0, "OOMKilled"), restart_policy="Always"), [], "Likely", "one of its processes was OOM-killed"),
    ("a failed probe is another possible cause", pod(failed(137, "OOMKilled")), LIVENESS, "Likely", "its liveness probe failed at the same time"),
    ("a deletion whose grace period has expired is another possible cause", pod(failed(137, "OOMKilled"), deleted="2026-11-21T21:15:50Z"), [], "Likely", "its pod was being deleted and the grace period had expired"),
    ("a program that reports why it ended had survived the OOM kill of its child", pod(failed(1, "OOMKilled", REFUSED)), [], "Likely", "but the program itself reported another cause: psycopg2.OperationalError: Connection refused"),
    ("a program that exits with 0 may have been asked to stop", pod(crash_looping(0), restart_policy="Always"), SANDBOX, "Likely", "Pod sandbox changed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "events", "confidence", "expected"),
    [c[1:] for c in CONFIDENCE_CASES],
    ids=[c[0] for c in CONFIDENCE_CASES],
)
def test_no_more_is_claimed_than_was_recorded(
    subject: Json, events: list[Json], confidence: str, expected: str, categorizer: cc.Categorizer
) -> None:
    verdict = categorizer.classify(subject, events)
    assert verdict is not None
    assert verdict.confidence == confidence
    assert expected in f"{verdict.message} {verdict.hint}"


def test_a_deadline_after_the_end_of_a_container_is_not_its_cause(categorizer: cc.Categorizer) -> None:
    late = pod(
        failed(1, at="2026-11-21T21:15:50Z"),
        failed(137, name="proxy", at="2026-11-21T21:25:40Z"),
        phase="Failed",
        reason="DeadlineExceeded",
        startTime="2026-11-21T21:15:40Z",
    )
    late["spec"]["activeDeadlineSeconds"] = 600
    early = categorizer.classify(late)
    late["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-11-21T21:25:40Z"
    at_the_deadline = categorizer.classify(late)
    assert [v and v.subcategory for v in (early, at_the_deadline)] == ["error-exit", "deadline-exceeded"]


def test_a_container_that_failed_permanently_and_was_then_stopped_counts_once(categorizer: cc.Categorizer) -> None:
    early, side = failed(1, at="2026-11-21T21:15:41Z"), failed(137, name="side", at="2026-11-21T22:16:09Z")
    classification = categorizer.classify_pod(cc.parse_pod(pod(early, side, deleted="2026-11-21T22:16:10Z")))
    assert [(f.verdict.subcategory, f.current) for f in classification.failures] == [("error-exit", True)]


def test_the_image_of_an_image_volume_is_named(categorizer: cc.Categorizer) -> None:
    subject = pod(
        waiting("ImagePullBackOff", 'Back-off pulling image "models/llama:3": ErrImagePull: models/llama:3: not found')
    )
    subject["spec"]["volumes"] = [{"name": "model", "image": {"reference": "models/llama:3"}}]
    verdict = categorizer.classify(subject)
    assert verdict is not None
    assert '"models/llama:3"' in verdict.message
    assert "app:1" not in verdict.message


def test_a_missing_pull_secret_is_named(categorizer: cc.Categorizer) -> None:
    subject = pod(waiting("ErrImagePull", "pull access denied, repository does not exist or may require authorization"))
    text = "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed."
    verdict = categorizer.classify(subject, [event("FailedToRetrieveImagePullSecret", text)])
    assert verdict is not None
    assert "regcred" in verdict.hint


def test_an_evicted_pod_whose_container_status_was_lost_counts_once(categorizer: cc.Categorizer) -> None:
    lost = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
    main = failed(137) | {"restartCount": 1, "lastState": {"terminated": lost}}
    evicted = pod(
        main, phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "v" exceeds the limit "10Mi". '
    )
    classification = categorizer.classify_pod(cc.parse_pod(evicted))
    assert [(f.verdict.subcategory, f.current) for f in classification.failures] == [("emptydir-limit", True)]


def test_a_deletion_that_the_kubelet_finished_late_counts_once(categorizer: cc.Categorizer) -> None:
    late = pod(failed(137, at="2026-11-21T21:15:50Z"), deleted="2026-11-21T21:16:30Z", grace=0)
    late["spec"]["terminationGracePeriodSeconds"] = 2
    classification = categorizer.classify_pod(cc.parse_pod(late))
    assert [(f.verdict.subcategory, f.verdict.confidence) for f in classification.failures] == [("deleted", "Likely")]


@pytest.mark.parametrize(
    ("pod_limit", "message", "hint"),
    [
        ("128Mi", "because the pod used more than its memory limit of 128Mi", "of the pod above 128Mi"),
        ("256Mi", "for exceeding the memory limit of 256Mi", 'of "main" above 256Mi'),
        ("1Gi", "for exceeding the memory limit of 256Mi", 'of "main" above 256Mi'),
    ],
)
def test_the_smaller_of_the_limits_of_pod_and_container_is_named(
    pod_limit: str, message: str, hint: str, categorizer: cc.Categorizer
) -> None:
    subject = pod(failed(1, "OOMKilled"))
    subject["spec"]["resources"] = {"limits": {"memory": pod_limit}}
    verdict = categorizer.classify(subject)
    assert verdict is not None
    assert message in verdict.message
    assert hint in verdict.hint
