"""The facts that a message or hint may name as ``${fact}``: from the pod, from the finding, from a pattern's groups."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation

from coroner_categorizer.finding import Finding
from coroner_categorizer.pod import Container, Pod, Terminated
from coroner_categorizer.signals import signal_of

# Facts that findings bring along (containers.py, pod_level.py, pending.py).
FINDING_FACTS = frozenset(
    {
        "attempts",
        "blocked",
        "blockers",
        "gracePeriod",
        "language",
        "lastWords",
        "matchedLine",  # made by the rule: the line in which its pattern was found
        "nodes",
        "ownerDeadline",
        "probeAnswer",
        "role",
        "scheduler",
        "waitedFor",
        "when",
        "workload",
    }
)

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)([EPTGMK]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$")
_SUFFIX = {
    "n": "1e-9",
    "u": "1e-6",
    "m": "1e-3",
    "k": "1e3",
    "M": "1e6",
    "G": "1e9",
    "T": "1e12",
    "P": "1e15",
    "E": "1e18",
}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


class PodFacts:
    """Looks facts up for one finding of one pod. A fact that is not known is None."""

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

    def _ended(self) -> Terminated | None:
        name = self._finding.container if self._finding else ""
        statuses = (*self._pod.status.containerStatuses, *self._pod.status.initContainerStatuses)
        status = next((s for s in statuses if s.name == name), None) if name else None
        return (status.state.terminated or status.lastState.terminated) if status else None

    def restarts(self) -> str | None:
        name = self._finding.container if self._finding else ""
        statuses = (*self._pod.status.containerStatuses, *self._pod.status.initContainerStatuses)
        return next((str(s.restartCount) for s in statuses if s.name == name and s.restartCount), None)

    def container(self) -> str | None:
        return self._finding.container or None if self._finding else None

    def exit_code(self) -> str | None:
        return str(self._finding.exit_code) if self._finding and self._finding.exit_code is not None else None

    def signal(self) -> str | None:
        return signal_of(self._finding.exit_code) if self._finding else None

    def image(self) -> str | None:
        container = self._container()
        return container.image or None if container else None

    def command(self) -> str | None:
        container = self._container()
        return container.command[0] if container and container.command else None

    def limit(self, resource: str) -> str | None:
        container = self._container()
        value = container.resources.limits.get(resource) if container else None
        if value is None:
            value = self._pod.spec.resources.limits.get(resource)
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
        """What the whole pod asks for of ``${resource}``, a group of the rule's pattern."""
        resource = self._groups.get("resource")
        if not resource:
            return None
        values = [c.resources.requests.get(resource) for c in self._pod.spec.containers]
        given = [str(v) for v in values if v is not None]
        # Plain init containers run one at a time before the others; only where they alone ask for more do they count.
        alone = [str(v) for c in self._pod.spec.initContainers if (v := c.resources.requests.get(resource)) is not None]
        return total(given) if given else (alone[0] if len(alone) == 1 else None)

    def text(self) -> str | None:
        return self._finding.text.strip() or None if self._finding else None

    def last_line(self) -> str | None:
        lines = self._finding.termination_message.split("\n") if self._finding else []
        return next((line.strip() for line in reversed(lines) if line.strip()), None)

    def reason(self) -> str | None:
        return self._finding.name if self._finding else None

    def ran_for(self) -> str | None:
        """How long the instance ran: ``3 s``, ``2 h 5 min``."""
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
    "exitCode": PodFacts.exit_code,
    "image": PodFacts.image,
    "lastLine": PodFacts.last_line,
    "memoryLimit": lambda f: f.limit("memory"),
    "memoryLimits": PodFacts.memory_limits,
    "memoryRequest": lambda f: f.request("memory"),
    "ephemeralStorageLimit": lambda f: f.limit("ephemeral-storage"),
    "namespace": PodFacts.namespace,
    "node": PodFacts.node,
    "nodeSelector": PodFacts.node_selector,
    "pod": PodFacts.pod_name,
    "podGracePeriod": PodFacts.grace_period,
    "ranFor": PodFacts.ran_for,
    "reason": PodFacts.reason,
    "requested": PodFacts.requested,
    "restarts": PodFacts.restarts,
    "runtimeClass": PodFacts.runtime_class,
    "serviceAccount": PodFacts.service_account,
    "signal": PodFacts.signal,
    "text": PodFacts.text,
}


def duration(start: datetime, end: datetime) -> str:
    """For a person: ``0 s``, ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    seconds = max(0, int((end - start).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds} s"
    if minutes < 120:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def total(quantities: list[str]) -> str | None:
    """The sum of Kubernetes quantities, in the largest unit that writes it without a fraction.

    One quantity is given back as it was written. None where one cannot be read.
    """
    if len(quantities) == 1:
        return quantities[0]
    values = [_parse_quantity(q) for q in quantities]
    known = [v for v in values if v is not None]
    if not known or len(known) != len(values):
        return None
    amount = sum(known, Decimal(0))
    if any(q.endswith("i") for q in quantities):
        power = 0
        while power + 1 < len(_BINARY) and amount % 1024 == 0 and amount >= 1024:
            amount, power = amount / 1024, power + 1
        return f"{amount.normalize():f}{_BINARY[power]}"
    return f"{amount * 1000:.0f}m" if amount % 1 else f"{amount:.0f}"


def _parse_quantity(text: str) -> Decimal | None:
    """Source: k8s.io/apimachinery/pkg/api/resource/quantity.go."""
    found = _QUANTITY.match(text)
    if not found:
        return None
    number, suffix = found.groups()
    try:
        if not suffix:
            return Decimal(number)
        if suffix.endswith("i"):
            return Decimal(number) * Decimal(1024 ** _BINARY.index(suffix))
        return Decimal(number) * Decimal(_SUFFIX[suffix]) if suffix in _SUFFIX else Decimal(number + suffix)
    except (InvalidOperation, ValueError):
        return None
