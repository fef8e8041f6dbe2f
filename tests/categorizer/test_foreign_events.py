"""Which events count: what a tenant may write about others does not, what Kubernetes writes does."""

from __future__ import annotations

from typing import Any

import pytest

import coroner_categorizer as cc
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import create_failed, event, failed, job, killing, on_node, pod, waiting

Json = dict[str, Any]

SYSTEM_OOM = on_node("SystemOOM", "System OOM encountered, victim process: python, pid: 4711")
NPD_OOM = on_node("OOMKilling", "Out of memory: Killed process 4711 (python) total-vm:1kB")
PROBE = "Container main failed liveness probe, will be restarted"


def changed(obj: Json, **parts: Any) -> Json:
    """The event with other metadata, involvedObject or source; a mapping is merged into the one there is."""
    return obj | {key: {**obj.get(key, {}), **part} for key, part in parts.items()}


def verdict_of(obj: Json, *events: Json) -> tuple[str, str, str] | None:
    verdict = CATEGORIZER.classify(obj, events)
    return (verdict.category, verdict.subcategory, verdict.confidence) if verdict else None


@pytest.mark.parametrize(
    "forged",
    [
        changed(killing(PROBE), metadata={"namespace": "attacker"}),
        changed(killing(PROBE), metadata={"namespace": "attacker"}, involvedObject={"namespace": "attacker"}),
        changed(killing(PROBE), involvedObject={"namespace": "attacker"}),
        changed(killing(PROBE), involvedObject={"name": "another"}),
        changed(killing(PROBE), involvedObject={"uid": "of-an-earlier-pod"}),
        changed(SYSTEM_OOM, metadata={"namespace": "attacker"}),
        changed(SYSTEM_OOM, metadata={"namespace": ""}),
        changed(SYSTEM_OOM, source={"component": "somebody"}),
        changed(SYSTEM_OOM, metadata={"namespace": "attacker"}, involvedObject={"uid": "uid-1"}),
    ],
)
def test_an_event_that_another_could_have_written_explains_nothing(forged: Json) -> None:
    assert verdict_of(pod(failed(137)), forged) == ("unknown", "sigkill", "Unknown")


@pytest.mark.parametrize(
    ("honest", "expected"),
    [
        (killing(PROBE), ("user-code", "liveness-probe", "Likely")),
        (SYSTEM_OOM, ("resources", "oom-suspected", "Likely")),
        (NPD_OOM, ("resources", "oom-suspected", "Likely")),
        (
            changed(SYSTEM_OOM, source={"component": ""}) | {"reportingComponent": "kubelet"},
            ("resources", "oom-suspected", "Likely"),
        ),
        (on_node("NodeNotReady", "Node node-1 status is now: NodeNotReady"), ("unknown", "sigkill", "Unknown")),
    ],
)
def test_the_kubelets_own_events_explain_a_kill(honest: Json, expected: tuple[str, str, str]) -> None:
    assert verdict_of(pod(failed(137)), honest) == expected


@pytest.mark.parametrize("event_of_node", [SYSTEM_OOM, NPD_OOM])
def test_a_verdict_that_rests_on_an_event_of_a_node_is_at_most_likely(event_of_node: Json) -> None:
    """Even where a site's rule is sure."""
    rules = (
        "apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\ncategories:\n- name: memory\n"
        "  rules: [{onFindings: [SystemOOM], subcategory: node}]\n"
    )
    for obj in (pod(failed(137)), pod(failed(137, "OOMKilled"))):
        verdict = cc.load(rules).classify(obj, [event_of_node])
        assert verdict
        assert (verdict.subcategory, verdict.confidence) == ("node", "Likely")


def test_events_of_another_namespace_do_not_explain_a_wait() -> None:
    stuck = pod(waiting("ContainerCreating"))
    mount = event("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "x" not found')
    assert verdict_of(stuck, mount) is not None
    assert verdict_of(stuck, changed(mount, metadata={"namespace": "attacker"})) is None


def test_events_of_another_namespace_do_not_explain_why_pods_were_not_created() -> None:
    workload, refused = cc.parse_workload(job()), create_failed("Error creating: x")
    forged = changed(refused, metadata={"namespace": "attacker"})
    assert CATEGORIZER.classify_workload(workload, [cc.parse_event(refused)]).failing
    assert not CATEGORIZER.classify_workload(workload, [cc.parse_event(forged)]).failing
