"""The facts that a message or hint may use as ``${fact}``: from the pod, the finding, or the groups of a pattern."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from coroner_categorizer.findings.finding import Finding
from coroner_categorizer.objects.exit_codes import nt_status, signal_of
from coroner_categorizer.objects.pod import Container, ContainerStatus, Pod, Terminated
from coroner_categorizer.objects.quantity import parse_quantity, readable, total
from coroner_categorizer.termination_message.error_lines import ERROR_WORDS
from coroner_categorizer.termination_message.summary_line import summary_line

# Facts that the modules of ``findings`` set.
FINDING_FACTS = frozenset(
    {
        "attempts",
        "nodesRejected",
        "rejectionReasons",
        "afterDeletion",
        "gracePeriod",
        "crashLoopCause",
        "created",
        "blockedContainer",
        "device",
        "kubeletEvent",
        "image",  # if it is not the container's own
        "language",
        "evictedBy",
        "evictionEvent",
        "evictionUsage",
        "exception",
        "firstException",
        "frame",
        "hookOutput",
        "matchedLine",  # set by the rule: the line in which its pattern was found
        "missingPullSecrets",
        "nodes",
        "oomVictim",
        "competingCause",
        "ownerDeadline",
        "ownerState",
        "probeOutput",
        "queueMessage",
        "restartsByRule",
        "role",
        "scheduler",
        "startupBlocker",
        "deletedWhen",
        "workload",
        # what lasts too long
        "completed",
        "completedAt",
        "finalizers",
        "gate",
        "gateMessage",
        "killError",
        "nodeEvent",
        "notReadyFor",
        "progressDeadline",
        "readyMessage",
        "startingDeadline",
        "stillRunning",
        "terminatingSince",
        "unready",
    }
)


class PodFacts:
    """Looks up facts for one finding of one pod. An unknown fact is None."""

    def __init__(self, pod: Pod, finding: Finding | None, groups: dict[str, str]) -> None:
        self._pod = pod
        self._finding = finding
        self._groups = groups

    def __call__(self, name: str) -> str | None:
        if name in self._groups:
            return self._groups[name]
        if self._finding and name in self._finding.facts:
            return self._finding.facts[name]
        known = BASE_FACTS.get(name)
        return known(self) if known else None

    def _container(self) -> Container | None:
        name = self._finding.container if self._finding else ""
        specs = (*self._pod.spec.containers, *self._pod.spec.initContainers)
        return next((c for c in specs if c.name == name), None) if name else None

    def _status(self) -> ContainerStatus | None:
        name = self._finding.container if self._finding else ""
        statuses = (*self._pod.status.containerStatuses, *self._pod.status.initContainerStatuses)
        return next((s for s in statuses if s.name == name), None) if name else None

    def _ended(self) -> Terminated | None:
        status = self._status()
        return (status.state.terminated or status.lastState.terminated) if status else None

    def restarts(self) -> str | None:
        status = self._status()
        return str(status.restartCount) if status and status.restartCount else None

    def read_only_root(self) -> str | None:
        """``true`` if the container's root file system is read-only."""
        container = self._container()
        return "true" if container and container.securityContext.readOnlyRootFilesystem else None

    def container(self) -> str | None:
        return self._finding.container or None if self._finding else None

    def exit_code(self) -> str | None:
        return str(self._finding.exit_code) if self._finding and self._finding.exit_code is not None else None

    def signal(self) -> str | None:
        return signal_of(self._finding.exit_code) if self._finding else None

    def nt_status(self) -> str | None:
        return nt_status(self._finding.exit_code) if self._finding else None

    def image(self) -> str | None:
        container = self._container()
        return container.image or None if container else None

    def command(self) -> str | None:
        container = self._container()
        return container.command[0] if container and container.command else None

    def limit(self, resource: str) -> str | None:
        """The limit in force: the whole pod's where it is the smaller one, else the container's own."""
        return self.pod_limit(resource) or self._own_limit(resource)

    def pod_limit(self, resource: str) -> str | None:
        """The limit of the whole pod (spec.resources.limits), where the container has none that is as small."""
        of_pod, own = self._pod.spec.resources.limits.get(resource), self._own_limit(resource)
        if of_pod is None:
            return None
        sizes = parse_quantity(str(of_pod)), parse_quantity(own) if own else None
        is_own = sizes[0] is not None and sizes[1] is not None and sizes[1] <= sizes[0]
        return None if is_own else str(of_pod)

    def _own_limit(self, resource: str) -> str | None:
        """The container's limit; after a resize the status has the one that is applied."""
        container, status = self._container(), self._status()
        value = status.resources.limits.get(resource) if status else None
        if value is None and container:
            value = container.resources.limits.get(resource)
        return str(value) if value is not None else None

    def memory_limits(self) -> str | None:
        """The memory limits of all containers: ``main 1Mi, proxy 64Mi``."""
        containers = (*self._pod.spec.containers, *self._pod.spec.initContainers)
        limits = [(c.name, c.resources.limits.get("memory")) for c in containers]
        return ", ".join(f"{name} {limit}" for name, limit in limits if limit is not None) or None

    def request(self, resource: str) -> str | None:
        container = self._container()
        value = container.resources.requests.get(resource) if container else None
        return str(value) if value is not None else None

    def requested(self) -> str | None:
        """How much the whole pod requests of ``${resource}``, a group of the rule's pattern."""
        resource = self._groups.get("resource")
        if not resource:
            return None
        if self._pod.spec.resources.requests.get(resource) is not None:
            return str(self._pod.spec.resources.requests[resource])
        inits = self._pod.spec.initContainers
        sidecars = [c for c in inits if c.restartPolicy == "Always"]
        values = [c.resources.requests.get(resource) for c in (*self._pod.spec.containers, *sidecars)]
        given = [str(v) for v in values if v is not None]
        # Plain init containers run one at a time before the others; they count only if one of them requests more.
        alone = [str(v) for c in self._pod.spec.initContainers if (v := c.resources.requests.get(resource)) is not None]
        if not given:
            return alone[0] if len(alone) == 1 else None
        summed = total(given)
        most = parse_quantity(summed) if summed else None
        sizes = [parse_quantity(v) for v in alone]
        fits = most is not None and all(size is not None and size <= most for size in sizes)
        return summed if fits else None  # an init container requests more: no number rather than a wrong one

    def text(self) -> str | None:
        return self._finding.text.strip() or None if self._finding else None

    def termination_message(self) -> str:
        return self._finding.termination_message if self._finding else ""

    def last_line(self) -> str | None:
        """The line of the termination message that says most about the cause."""
        return summary_line(self.termination_message())

    def last_error(self) -> str | None:
        """The last line of the termination message, if it names an error."""
        line = summary_line(self.termination_message())
        return line if line and ERROR_WORDS.found_in(line) else None

    def no_gpu_requested(self) -> str | None:
        """The container's name, if it requests no device at all."""
        container = self._container()
        if not container or any("/" in name for name in container.resources.limits):
            return None
        return container.name

    def logs(self) -> str | None:
        """The command that shows the log of the instance that ended."""
        container, pod = self.container(), self.pod_name()
        if not container or not pod:
            return None
        namespace = f" -n {self._pod.metadata.namespace}" if self._pod.metadata.namespace else ""
        status = self._status()
        previous = " --previous" if status and status.state.running else ""
        return f"kubectl logs{namespace} {pod} -c {container}{previous}"

    def describe(self) -> str | None:
        """The command that shows the pod with its events."""
        namespace = f" -n {self._pod.metadata.namespace}" if self._pod.metadata.namespace else ""
        return f"kubectl describe pod{namespace} {self.pod_name()}" if self.pod_name() else None

    def probe(self) -> str | None:
        """livenessProbe or startupProbe, if the container has one that may have killed it."""
        container = self._container()
        if not container:
            return None
        given = (("livenessProbe", container.livenessProbe), ("startupProbe", container.startupProbe))
        return next((name for name, probe in given if probe), None)

    def probe_request(self) -> str | None:
        """What the readiness probe asks for: ``GET /healthz on port 8080``, ``port 5432``."""
        container = self._container()
        probe = container.readinessProbe if container else None
        http, tcp = (probe.get(kind) for kind in ("httpGet", "tcpSocket")) if isinstance(probe, dict) else (None, None)
        if isinstance(http, dict) and http.get("port"):
            return f"GET {http.get('path') or '/'} on port {http['port']}"
        return f"port {tcp['port']}" if isinstance(tcp, dict) and tcp.get("port") else None

    def reason(self) -> str | None:
        return self._finding.name if self._finding else None

    def ran_for(self) -> str | None:
        """How long the instance ran: ``3 s``, ``2 h 5 min``, ``less than 1 s``."""
        ended = self._ended()
        if not ended or not ended.startedAt or not ended.finishedAt or ended.startedAt.year <= 1970:
            return None
        return duration(ended.startedAt, ended.finishedAt)

    def node(self) -> str | None:
        return self._pod.spec.nodeName or None

    def namespace(self) -> str | None:
        return self._pod.metadata.namespace or None

    def pod_name(self) -> str | None:
        return self._pod.metadata.name or None

    def deadline(self) -> str | None:
        seconds = self._pod.spec.activeDeadlineSeconds
        return f"{seconds} s" if seconds is not None else None

    def grace_period(self) -> str | None:
        seconds = self._pod.spec.terminationGracePeriodSeconds
        return f"{seconds} s" if seconds is not None else None

    def service_account(self) -> str | None:
        return self._pod.spec.serviceAccountName or None

    def runtime_class(self) -> str | None:
        return self._pod.spec.runtimeClassName or None

    def node_selector(self) -> str | None:
        return ", ".join(f"{k}={v}" for k, v in sorted(self._pod.spec.nodeSelector.items())) or None


BASE_FACTS: dict[str, Callable[[PodFacts], str | None]] = {
    "command": PodFacts.command,
    "container": PodFacts.container,
    "deadline": PodFacts.deadline,
    "describe": PodFacts.describe,
    "exitCode": PodFacts.exit_code,
    "image": PodFacts.image,
    "lastLine": PodFacts.last_line,
    "lastError": PodFacts.last_error,
    "logs": PodFacts.logs,
    "memoryLimit": lambda f: readable(f.limit("memory")),
    "memoryLimits": PodFacts.memory_limits,
    "memoryRequest": lambda f: readable(f.request("memory")),
    "ephemeralStorageLimit": lambda f: f.limit("ephemeral-storage"),
    "namespace": PodFacts.namespace,
    "node": PodFacts.node,
    "noGpuRequested": PodFacts.no_gpu_requested,
    "nodeSelector": PodFacts.node_selector,
    "ntStatus": PodFacts.nt_status,
    "pod": PodFacts.pod_name,
    "podGracePeriod": PodFacts.grace_period,
    "podMemoryLimit": lambda f: readable(f.pod_limit("memory")),
    "probe": PodFacts.probe,
    "probeRequest": PodFacts.probe_request,
    "ranFor": PodFacts.ran_for,
    "reason": PodFacts.reason,
    "readOnlyRoot": PodFacts.read_only_root,
    "requested": PodFacts.requested,
    "restarts": PodFacts.restarts,
    "runtimeClass": PodFacts.runtime_class,
    "serviceAccount": PodFacts.service_account,
    "signal": PodFacts.signal,
    "text": PodFacts.text,
}


def duration(start: datetime, end: datetime) -> str:
    """For a person: ``less than 1 s``, ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    seconds = max(0, int((end - start).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds == 0:
        return "less than 1 s"
    if seconds < 120:
        return f"{seconds} s"
    if minutes < 120:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"
