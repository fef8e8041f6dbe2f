"""Owner references name whatever the author of a pod wants; the API server checks nothing of them (F3 to F5, F9, F11, F13)."""

from __future__ import annotations

import asyncio
import functools
import re

import pytest

from tests.attacks.arena import KEEP, Arena, Object, Tenant, failed, idle_job, owner, ready
from tests.attacks.attackers import PATHS, fail_to_create, uid
from tests.attacks.conftest import StartOperator
from tests.attacks.custom_kind import CustomKind, custom_kind
from tests.attacks.recording_proxy import RecordingProxy, Request
from tests.support.waiting import until

# What the operator's permissions are for: lists, watches and single objects under their plain names.
NAME = r"[a-z0-9][-.a-z0-9]*"
EXPECTED = re.compile(
    rf"""(
      GET \s /(api|apis)(/[-.a-z0-9]+){{0,2}}
    | GET \s /api/v1/(pods|events)\?.*
    | GET \s /api/v1/namespaces/{NAME}/(pods|events)\?.*limit=.*
    | GET \s /api/v1/namespaces/{NAME}/pods/{NAME}
    | GET \s /apis/(batch|apps)/v1/namespaces/{NAME}/[a-z]+/{NAME}
    | GET \s /apis/apiextensions\.k8s\.io/v1/customresourcedefinitions\?.*
    | GET \s /apis/coroner\.dev/v1alpha1/(namespaces/{NAME}/)?failurereports(/{NAME})?(\?.*)?
    | PATCH \s /apis/coroner\.dev/v1alpha1/namespaces/{NAME}/failurereports/{NAME}(/status)?\?.*
    | (POST|PATCH) \s /apis/events\.k8s\.io/v1/namespaces/{NAME}/events(/{NAME})?(\?.*)?
    )""",
    re.VERBOSE,
)


def training(kind: CustomKind, name: str, its_uid: str) -> Object:
    return owner(kind.api_version, "Training", name, its_uid)


async def test_a_path_as_the_owners_name_does_not_reach_another_namespace(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F3: the client's ".." is folded, and the verdict is written in the victim's namespace."""
    async with custom_kind(arena) as kind:
        await start_operator(workloads=kind.listed)
        theirs = await kind.create("x", arena.victim.namespace)
        name = f"../../{arena.victim.namespace}/trainings/x"
        await arena.attacker.pod("one", failed("forged"), training(kind, name, theirs["metadata"]["uid"]))
        mine = await kind.create("x", arena.attacker.namespace)  # what is written on it comes after the attack
        await arena.attacker.pod("two", failed("own"), training(kind, "x", mine["metadata"]["uid"]))

        async def written() -> bool:
            return "failure" in await kind.status("x", arena.attacker.namespace)

        await until(written, 45, "a verdict on the attacker's own object", poll=0.1)
        assert "failure" not in await kind.status("x", arena.victim.namespace)


async def test_the_victims_uid_as_the_owners_does_not_take_the_victims_failures(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F4: what is still to be written about a workload was found by its UID alone."""
    await start_operator()
    theirs = owner("batch.example.com/v1", "Batch", "train", uid())
    for number in range(10):  # one after the other, so that something of them is always to be written
        await arena.attacker.pod(f"attack-{number}", failed("forged"), theirs | {"name": "mine"})
        await arena.victim.pod(f"victim-{number}", failed(f"victim's words {number}"), theirs)
    report = await arena.victim.reported("train")
    await arena.fence()
    await until(lambda: _counts(arena, "train", 10), 45, "the victim's report counts all of its failures", poll=0.1)
    assert not [r for r in await arena.attacker.reports() if "victim's words" in str(r)]
    assert "forged" not in str(await arena.victim.report("train"))
    assert report["spec"]["workload"]["uid"] == theirs["uid"]


async def _counts(arena: Arena, name: str, failures: int) -> bool:
    report = await arena.victim.report(name)
    return report is not None and report["status"]["failures"] == failures


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("first", ["attacker", "victim"])
async def test_a_forged_owner_of_the_same_uid_does_not_hide_the_victims_workload(
    arena: Arena, start_operator: StartOperator, first: str, restarted: bool
) -> None:
    """F4: the walk from a Job to its CronJob was remembered by the Job's UID alone."""
    operator = await start_operator()
    above = owner("batch.example.com/v1", "Nightly", "nightly", uid())
    job = await arena.victim.create("jobs", idle_job("nightly-1", above), "/apis/batch/v1")
    reference = owner("batch/v1", "Job", "nightly-1", job["metadata"]["uid"])

    async def attack() -> None:
        await arena.attacker.kept_pod("attack", failed("forged"), reference)
        await arena.attacker.reported("nightly-1")

    async def fail() -> None:
        await arena.victim.pod("nightly-1-x", failed("victim's words"), reference)
        await arena.victim.reported("nightly")

    one, other = (attack, fail) if first == "attacker" else (fail, attack)
    await one()
    if restarted:
        operator.end()
        await start_operator()
    await other()
    for tenant, kind, words in ((arena.victim, "Nightly", "victim's words"), (arena.attacker, "Job", "forged")):
        (report,) = await tenant.reports()
        assert report["spec"]["workload"]["kind"] == kind
        assert report["status"]["failures"] == 1
        assert words in report["status"]["message"]


async def test_a_healthy_pod_of_another_namespace_does_not_recover_the_victims_workload(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F4: the recovery of a workload was found by its UID alone."""
    await start_operator()
    theirs = owner("batch.example.com/v1", "Batch", "train", uid())
    await arena.victim.pod("victim", failed("victim's words", ago=60), theirs)
    await arena.victim.reported("train")
    for number in range(3):
        await arena.attacker.pod(f"well-{number}", ready(), theirs)
    batch = owner("batch.example.com/v1", "Batch", "own", uid())
    await arena.attacker.pod("mine", failed("own", ago=60), batch, restart_policy="Always")
    await arena.attacker.reported("own")
    # The same done within the attacker's namespace is what recovery is for, and comes later than the attack.
    await arena.attacker.pod("mine-well", ready(), batch)

    async def recovered() -> bool:
        report = await arena.attacker.report("own")
        return report is not None and report["status"]["state"] == "Recovered"

    await until(recovered, 45, "the attacker's own workload has recovered", poll=0.1)
    report = await arena.victim.report("train")
    assert report is not None
    assert report["status"]["state"] == "Failing"


@pytest.mark.parametrize("via", ["owner reference", "event"])
async def test_names_that_are_paths_and_queries_are_not_asked_for(
    arena: Arena, start_operator: StartOperator, proxy: RecordingProxy, via: str
) -> None:
    """F5: GETs of any path that the operator may read, and watches that hold all of its read slots."""
    await start_operator()
    before = len(proxy.requests)
    for number, name in enumerate(PATHS * 2):
        kind = ("Job", "batch/v1") if number < len(PATHS) else ("Deployment", "apps/v1")
        if via == "owner reference" and name:  # an empty one is refused by the API server
            await arena.attacker.kept_pod(f"attack-{number}", failed("x"), owner(kind[1], kind[0], name, uid()))
        elif via == "event":
            await fail_to_create(arena.attacker, kind[1], kind[0], name)
    await arena.victim.fails()
    await arena.fence()
    await arena.event_fence()
    sent = proxy.requests[before:]
    assert [str(request) for request in sent if not EXPECTED.fullmatch(str(request))] == []
    lists = [request for request in sent if request.path.startswith("/api/v1/pods")]
    assert len(lists) <= 2, lists
    assert len(sent) <= 8 * len(PATHS) + 60


VERSIONS = ("batch/v1?watch=true&x=", "batch/v1/namespaces", "batch/..", "batch/v1#", "batch/v9", "batch/", "/v1", "")


async def test_api_versions_are_no_paths_either(
    arena: Arena, start_operator: StartOperator, proxy: RecordingProxy
) -> None:
    await start_operator()
    before = len(proxy.requests)
    for version in VERSIONS:
        await fail_to_create(arena.attacker, version, "Job", "x")
    await arena.event_fence()
    sent = [str(request) for request in proxy.requests[before:]]
    assert [each for each in sent if not EXPECTED.fullmatch(each) and "/apis/batch/v9/namespaces/" not in each] == []


async def test_reads_that_hang_in_one_namespace_do_not_hold_up_another(
    arena: Arena, start_operator: StartOperator, proxy: RecordingProxy
) -> None:
    """F5: 16 requests that do not end were all that may be read at one time."""
    await start_operator()
    never = asyncio.Event()

    def hang(request: Request) -> asyncio.Event | None:
        return never if f"/batch/v1/namespaces/{arena.attacker.namespace}/" in request.path else None

    proxy.answer = hang
    for number in range(40):
        await arena.attacker.kept_pod(f"attack-{number}", failed("x"), owner("batch/v1", "Job", f"job-{number}", uid()))
    await until(lambda: proxy.matching(lambda request: hang(request) is not None), 30, "reads hang", poll=0.1)
    before = len(proxy.requests)
    await arena.victim.kept_pod("victim", failed("victim's words"), owner("batch/v1", "Job", "train", uid()))

    def asked() -> list[Request]:
        mine = f"/apis/batch/v1/namespaces/{arena.victim.namespace}/jobs/train"
        return [request for request in proxy.requests[before:] if request.path == mine]

    await until(asked, 10, "the victim's owner is read while the attacker's reads hang", poll=0.1)
    await arena.victim.reported("train")


async def _is_known_as_deleted(tenant: Tenant) -> bool:
    report = await tenant.report("gone")
    return report is not None and report["status"].get("state") == "Deleted"


@pytest.mark.parametrize("answer", [406, 503, "none"])
async def test_an_owner_that_cannot_be_answered_does_not_stop_the_retention_of_all_namespaces(
    arena: Arena, start_operator: StartOperator, proxy: RecordingProxy, answer: int | str
) -> None:
    """F9: the walk over all reports waited for this one owner."""
    trouble = answer if isinstance(answer, int) else asyncio.Event()
    proxy.answer = lambda request: trouble if f"{arena.attacker.namespace}/jobs/odd" in request.path else None
    operator = await start_operator()
    for tenant in (arena.attacker, arena.victim):
        report = await tenant.fails("gone")
        assert report
        await tenant.kubelet.delete(f"/api/v1/namespaces/{tenant.namespace}/pods/gone", {"gracePeriodSeconds": 0})
        await until(functools.partial(_is_known_as_deleted, tenant), 45, "the report says that its pod is deleted")
    operator.end()
    await arena.attacker.kept_pod("attack", failed("x"), owner("batch/v1", "Job", "odd", uid()))
    await start_operator(retention="1s")  # looks at once for reports that are too old

    async def cleared() -> bool:
        return await arena.victim.report("gone") is None

    await until(cleared, 45, "the victim's old report is deleted", poll=0.1)


async def test_a_tenants_pod_does_not_write_on_cluster_scoped_objects(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F11: any namespace's pods could name them as their owner."""
    async with custom_kind(arena, "Cluster") as kind:
        await start_operator(workloads=kind.listed)
        shared = await kind.create("shared")
        await arena.attacker.pod("attack", failed("forged"), training(kind, "shared", shared["metadata"]["uid"]))
        await arena.fence()
        await _events_have_come(arena)
        assert "failure" not in await kind.status("shared")


@pytest.mark.parametrize("forged_mirror", [False, True])
async def test_a_tenants_pod_makes_no_event_on_a_node(
    arena: Arena, start_operator: StartOperator, forged_mirror: bool
) -> None:
    """F11: kubectl describe node showed the tenant's words, in the namespace default."""
    await start_operator()
    node = f"node-{uid()[:8]}"
    pod: Object = {
        "metadata": {"name": "attack", "finalizers": [KEEP], "ownerReferences": [owner("v1", "Node", node, uid())]},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]},
    }
    if forged_mirror:
        pod["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "3f2a9c1b7d0e4a52"}
        pod["spec"]["nodeName"] = node
    await arena.attacker.create("pods", pod)
    await arena.attacker.set_status("attack", failed("forged words"))
    assert await arena.attacker.reported(node if forged_mirror else "attack")
    await arena.fence()
    await _events_have_come(arena)
    events = (await arena.victim.kubelet.get("/apis/events.k8s.io/v1/namespaces/default/events")).body["items"]
    assert [event for event in events if event["regarding"]["name"] == node] == []


async def _events_have_come(arena: Arena) -> None:
    """Coroner's Event of the fence: everything before it has been published."""

    async def found() -> bool:
        path = f"/apis/events.k8s.io/v1/namespaces/{arena.attacker.namespace}/events"
        events = (await arena.victim.kubelet.get(path)).body["items"]
        return any(event["regarding"]["name"].startswith("fence-") for event in events)

    await until(found, 45, "an Event on the fence", poll=0.1)


FORGED_LINE = "2026-01-01T00:00:00.000Z CRITICAL coroner.engine: all reports are lost"


async def test_control_characters_of_owners_reach_neither_a_report_nor_a_line_of_the_log(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F13: what a terminal obeys, and lines that the operator never wrote."""
    operator = await start_operator(log_level="debug")
    escape = f"\x1b[2J\x1b[31m\n{FORGED_LINE}\n\u202e\x9b"
    await arena.attacker.pod("one", failed("x"), owner("odd.example.com/v1", f"Odd{escape}", "a", uid()))
    await arena.attacker.pod("two", failed("x"), owner("odd.example.com/v1", "Odd", f"b{escape}", uid()))
    await arena.attacker.kept_pod("three", failed("x"), owner("batch/v1", "Job", f"c{escape}", uid()))
    await arena.attacker.event(
        {"apiVersion": "batch/v1", "kind": f"Job{escape}", "name": f"d{escape}", "uid": uid()},
        "FailedCreate",
        f"Error creating: x{escape}",
    )
    await arena.fence()
    await arena.event_fence()
    shown = [str(value) for report in await arena.attacker.reports() for value in report["spec"]["workload"].values()]
    assert [value for value in shown if not value.isprintable() or "\u202e" in value] == []
    assert FORGED_LINE not in operator.output().splitlines()
    assert "\x1b" not in operator.output()
