"""A failure that can be made to happen on a real Kubernetes, and what is right to say about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.e2e.support.scenario_runner import ScenarioRunner

Manifest = dict[str, Any]


class Seen(NamedTuple):
    """What the API shows of one scenario at a moment."""

    pod: Manifest
    """The newest pod of the scenario as it was last seen; {} = there was none."""
    pods: list[Manifest]
    """All its pods, the oldest first, those that are gone too."""
    events: list[Manifest]
    """About the pod."""
    owner: Manifest
    """The workload above the pod; {} for a bare pod."""
    owner_events: list[Manifest]
    """About the workload, or the ReplicaSet between it and the pod."""
    gone: bool
    """The newest pod was deleted."""


Condition = Callable[[Seen], bool]


class Step(NamedTuple):
    """What somebody does to the cluster meanwhile: once WHEN holds, DO is done."""

    when: Condition
    do: Callable[[ScenarioRunner], None]


class Scenario(NamedTuple):
    """Apply ``manifests`` in ``namespace``, do the ``steps`` one after the other, and wait until ``shows`` holds."""

    name: str
    """Of the pod or the workload, and of the fixture."""
    manifests: tuple[Manifest, ...]
    verdict: str | None
    """"category/subcategory"; None = nothing is failing."""
    shows: Condition
    kind: str = "Pod"
    """Kind of the workload that is reported."""
    container: str = "main"
    """Whom the verdict blames; "" = the pod as a whole."""
    message: str = ""
    """Part of the report's message, where it can be foretold."""
    failures: int | None = 1
    """How many the report counts when ``shows`` holds; None = that depends on the moment."""
    steps: tuple[Step, ...] = ()
    repair: Callable[[ScenarioRunner], None] | None = None
    """What makes an end of it: afterwards the workload runs well, or completes."""
    repaired: Condition | None = None
    """What the API shows then."""
    after: Callable[[ScenarioRunner], None] | None = None
    """Puts the cluster back as it was."""
    timeout: float = 60
    """Seconds until ``shows`` holds, at most."""
    namespace: str = "proof"
    alone: bool = False
    """It touches the node: no other scenario at the same time."""
    pod_verdict: str | None = ""
    """Of the pod by itself, where that differs from ``verdict``; "" = it does not."""
    owner_verdict: str | None = None
    """Of the workload by itself, where it has pods as well."""

    @property
    def category(self) -> str | None:
        return self.verdict.partition("/")[0] if self.verdict else None

    @property
    def subcategory(self) -> str | None:
        return self.verdict.partition("/")[2] if self.verdict else None
