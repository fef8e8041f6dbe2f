"""Events: whoever may create them in one namespace writes them about anything, in any number and size (F6 to F8)."""

from __future__ import annotations

import asyncio

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.attacks.arena import Arena, failed, idle_job, now
from tests.attacks.attackers import change_owner, fail_to_create, owned_pod, post_large_events, uid
from tests.attacks.conftest import StartOperator
from tests.attacks.recording_proxy import RecordingProxy
from tests.support.live_objects import ended, event, failed_pod, live_pod, probe_kill
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until

WORDS = "the attacker's own words"
MEGABYTE = 2**20
MEMORY_LIMIT = 256 * MEGABYTE
"""Half of what the chart gives; without an attack the process needs 70 MiB."""


# -- F6: size and number


async def test_large_events_about_pods_that_do_not_exist_cost_little_memory(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F6: 260 of them were 726 MiB at the next start, and the limit is 512 MiB."""
    operator = await start_operator()
    await post_large_events(arena.attacker, 200)
    await arena.victim.fails()
    assert operator.peak_rss() < MEMORY_LIMIT
    await asyncio.to_thread(operator.kill)
    again = await start_operator()
    await arena.victim.fails()
    assert again.peak_rss() < MEMORY_LIMIT


INFLATED = "<" * 1_400_000
"""Fits into etcd; in JSON each character is six."""


async def test_objects_that_are_too_large_to_be_read_are_left_out_and_nothing_else_is(
    arena: Arena, start_operator: StartOperator, proxy: RecordingProxy
) -> None:
    """8.4 MB each: listed at the start, and watched."""
    attacker = arena.attacker

    async def attack(number: int) -> None:
        await attacker.event({"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": uid()}, "FailedMount", INFLATED)
        container = {"name": "main", "image": "busybox", "env": [{"name": "X", "value": INFLATED}]}
        await attacker.create("pods", {"metadata": {"name": f"large-{number}"}, "spec": {"containers": [container]}})

    await attacker.pod("a-small-one", failed("small"))
    for number in range(3):
        await attack(number)
    operator = await start_operator()
    await attacker.reported("a-small-one")
    await arena.victim.fails()
    for number in range(3, 6):
        await attack(number)
    await attacker.api.delete(f"/api/v1/namespaces/{attacker.namespace}/pods/large-0", {"gracePeriodSeconds": 0})
    await arena.fence()
    await arena.event_fence()
    await arena.victim.fails()
    assert operator.peak_rss() < MEMORY_LIMIT
    assert operator.metric('coroner_objects_too_large_total{kind="events"}') == 6
    assert operator.metric('coroner_objects_too_large_total{kind="pods"}') >= 6
    for number in range(6):
        assert operator.output().count(f"pods: {attacker.namespace}/large-{number} is too large") == 1
    watches = [request for request in proxy.requests if "watch=true" in request.path]
    of_core = [request.path.partition("?")[0] for request in watches if request.path.startswith("/api/v1/")]
    assert sorted(of_core) == ["/api/v1/events", "/api/v1/namespaces", "/api/v1/pods"]  # none was begun again


# -- F7: about others


KILLED_BY_A_PROBE = "Container main failed liveness probe, will be restarted. " + WORDS


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Killing", KILLED_BY_A_PROBE),
        ("Unhealthy", "Liveness probe failed: " + WORDS),
        ("Evicted", "The node was low on resource: memory. " + WORDS),
        ("Preempted", "Preempted by a pod on node x: " + WORDS),
        ("BackOff", "Back-off restarting failed container: " + WORDS),
    ],
)
async def test_events_of_another_namespace_about_the_victims_pod_decide_nothing(
    arena: Arena, start_operator: StartOperator, reason: str, message: str
) -> None:
    """F7: an Event was believed for its pod's UID, whatever namespace it was in."""
    await start_operator()
    pod = await arena.victim.pod("victim")
    about = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "victim",
        "uid": pod["metadata"]["uid"],
        "fieldPath": "spec.containers{main}",
    }
    await arena.attacker.event(about, reason, message)
    await arena.event_fence()
    await arena.victim.set_status("victim", failed("", 137))
    status = (await arena.victim.reported("victim"))["status"]
    assert (status["category"], status["subcategory"], status["confidence"]) == ("unknown", "sigkill", "Unknown")
    assert WORDS not in str(status)
    await arena.attacker.event(about, reason, message)  # and after the report
    await arena.event_fence()
    assert WORDS not in str(await arena.victim.report("victim"))


async def test_events_of_another_namespace_do_not_explain_why_the_victims_pod_waits(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F7: FailedMount and its like, which nothing else in a pod says."""
    await start_operator()
    pod = await arena.victim.pod("victim")
    waiting = {
        "name": "main",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "victim's"}},
    }
    await arena.victim.set_status("victim", {"phase": "Pending", "containerStatuses": [waiting]})
    about = {"apiVersion": "v1", "kind": "Pod", "name": "victim", "uid": pod["metadata"]["uid"]}
    for reason in ("FailedMount", "FailedCreatePodSandBox", "FailedAttachVolume"):
        await arena.attacker.event(about, reason, f"MountVolume.SetUp failed for volume x: {WORDS}")
    await arena.event_fence()
    assert WORDS not in str(await arena.victim.reports())


async def test_an_event_about_a_node_from_a_tenants_namespace_decides_nothing(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F7: "SystemOOM" on a node explained every kill there, with the attacker's words."""
    await start_operator()
    node = f"node-{uid()[:8]}"
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "victim"},
        "target": {"kind": "Node", "name": node},
    }
    await arena.victim.pod("victim")
    path = f"/api/v1/namespaces/{arena.victim.namespace}/pods/victim/binding"
    assert (await arena.victim.kubelet.post(path, binding)).status == 201
    message = f"System OOM encountered, victim process: python, pid: 4711 {WORDS}"
    await arena.attacker.event({"apiVersion": "v1", "kind": "Node", "name": node, "uid": node}, "SystemOOM", message)
    await arena.event_fence()
    await arena.victim.set_status("victim", failed("", 137))
    status = (await arena.victim.reported("victim"))["status"]
    assert (status["category"], status["subcategory"]) == ("unknown", "sigkill")
    assert WORDS not in str(status)


async def test_events_of_another_namespace_do_not_displace_the_kubelets(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """F7: of each pod a few events are kept. And the kubelet's still explain its failure, before it and after it."""
    server.create_namespace("attacker")
    await operators.start()
    probed = live_pod("victim", phase="Failed", state=ended(137))
    for said in probe_kill(probed):
        server.put(said)
    for number in range(30):
        forged = event(probed, "Unhealthy", f"{WORDS} {number}")
        forged["metadata"]["namespace"] = "attacker"
        server.put(forged)
    server.put(failed_pod("fence", namespace="attacker"))
    await until(lambda: reports.of("fence"))
    server.put(probed)
    status = (await until(lambda: reports.of("victim")))["status"]
    assert status["subcategory"] == "liveness-probe"
    assert WORDS not in str(status)


async def test_an_events_time_does_not_keep_a_report_for_ever(arena: Arena, start_operator: StartOperator) -> None:
    """A failure of the year 9999 is newer than every other, and never old enough for retention."""
    await start_operator()
    job = await arena.attacker.create("jobs", idle_job("late"), "/apis/batch/v1")
    involved = {"apiVersion": "batch/v1", "kind": "Job", "name": "late", "uid": job["metadata"]["uid"]}
    far = "9999-12-31T23:59:59Z"
    await arena.attacker.event(
        involved, "FailedCreate", "Error creating: x", firstTimestamp=far, lastTimestamp=far, eventTime=None
    )
    await arena.event_fence()
    for report in await arena.attacker.reports():
        assert report["status"]["lastSeen"] <= now(-60), report["status"]


# -- F8: number of reports and of calls


async def test_events_about_kinds_that_cannot_be_read_make_no_reports(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F8: 250 Events of an invented kind were 250 reports."""
    await start_operator()
    for number in range(60):
        await fail_to_create(arena.attacker, "x.example/v1", "Foo", f"foo-{number}")
    await arena.event_fence()
    assert len(await arena.attacker.reports()) <= 1


async def test_events_about_jobs_that_do_not_exist_make_no_reports(arena: Arena, start_operator: StartOperator) -> None:
    await start_operator()
    for number in range(60):
        await fail_to_create(arena.attacker, "batch/v1", "Job", f"foo-{number}")
    await arena.event_fence()
    assert len(await arena.attacker.reports()) <= 1


async def test_a_pod_whose_owner_changes_again_and_again_has_one_report(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F8: 100 changes of its owner were 101 reports."""
    await start_operator()
    await owned_pod(arena.attacker, "attack", "foo")
    await arena.attacker.reported("foo")
    for number in range(40):
        await change_owner(arena.attacker, "attack", number)
    await arena.fence()
    assert len(await arena.attacker.reports()) <= 2  # the fence's, and one


async def test_reports_of_a_namespace_are_capped_when_they_are_made(
    arena: Arena, start_operator: StartOperator
) -> None:
    """F8: ``reports_per_namespace`` was looked at every ten minutes, and spared kinds that cannot be read for days."""
    await start_operator(reports_per_namespace=10)
    for number in range(40):
        await owned_pod(arena.attacker, f"attack-{number}", f"foo-{number}")
    await arena.victim.fails()
    await arena.victim.fails()
    await _settled(arena)
    assert len(await arena.attacker.reports()) <= 10


async def _settled(arena: Arena) -> None:
    """The number of the attacker's reports has stopped growing."""
    counts = [-1]

    async def same() -> bool:
        counts.append(len(await arena.attacker.reports()))
        return counts[-1] == counts[-2]

    await until(same, 45, "no more reports are made", poll=3.0)


async def test_many_failed_creations_of_one_job_do_not_cost_a_list_each(
    arena: Arena, start_operator: StartOperator, proxy: RecordingProxy
) -> None:
    """F8: each was a LIST of all events about the Job: 2.9 s with 1,500 of them, and after 5 s the failure was lost."""
    await start_operator()
    job = await arena.attacker.create("jobs", idle_job("target"), "/apis/batch/v1")
    involved = {"apiVersion": "batch/v1", "kind": "Job", "name": "target", "uid": job["metadata"]["uid"]}
    before = len(proxy.requests)
    for number in range(60):
        await arena.attacker.event(involved, "FailedCreate", f"Error creating: no {number}")
    await arena.event_fence()
    mine = f"/api/v1/namespaces/{arena.attacker.namespace}/events"
    lists = [
        request for request in proxy.requests[before:] if request.method == "GET" and request.path.startswith(mine)
    ]
    assert len(lists) <= 5
