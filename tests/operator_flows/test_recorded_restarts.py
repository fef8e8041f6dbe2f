"""LeaderWorkerSet restarts a group again and again, as it was recorded: one report, on the LeaderWorkerSet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from embedded_apiserver import EmbeddedApiServer
from tests.operator_flows.test_recovering import settled
from tests.support.operators import Operators
from tests.support.owner_chains import KINDS, definition
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until

RECORDING = Path(__file__).parents[1] / "fixtures" / "workloads" / "recorded-lws.json"
NAMESPACE = "ctl-lws"
TIME = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z"')


def recorded() -> list[Json]:
    """The objects of the LeaderWorkerSet ``oom``, dated so that the last one was made just now."""
    text = RECORDING.read_text("utf-8")
    newest = max(datetime.fromisoformat(found + "+00:00") for found in TIME.findall(text))
    shift = datetime.now(UTC) - newest
    moved = TIME.sub(lambda found: f'"{datetime.fromisoformat(found[1] + "+00:00") + shift:%Y-%m-%dT%H:%M:%SZ}"', text)
    items: list[Json] = json.loads(moved)["items"]
    return [item for item in items if item["metadata"]["name"].startswith("oom")]


def running(pod: Json) -> Json:
    """The pod as it was before anything of it ended."""
    metadata = {key: value for key, value in pod["metadata"].items() if not key.startswith("deletion")}
    started = {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}
    statuses = [
        {**status, "state": started, "lastState": {}, "restartCount": 0, "ready": True}
        for status in pod["status"]["containerStatuses"]
    ]
    conditions = [
        {**condition, "status": "True", "lastTransitionTime": pod["metadata"]["creationTimestamp"]}
        for condition in pod["status"]["conditions"]
    ]
    status = {**pod["status"], "phase": "Running", "containerStatuses": statuses, "conditions": conditions}
    return {**pod, "metadata": metadata, "status": status}


def out_of_memory(pod: Json) -> Json:
    """The pod when its container had been killed, a moment before the group was deleted."""
    before = running(pod)
    [ended] = pod["status"]["containerStatuses"]
    return {
        **before,
        "status": {
            **before["status"],
            "containerStatuses": [
                {**ended, "state": ended["lastState"], "lastState": {}, "restartCount": 0, "ready": False}
            ],
        },
    }


def was_killed(pod: Json) -> bool:
    return any(
        status.get("lastState", {}).get("terminated", {}).get("reason") == "OOMKilled"
        for status in pod["status"]["containerStatuses"]
    )


def generations(pods: Iterable[Json]) -> list[list[Json]]:
    """The pods of group 0, in the order in which its controller made them."""
    found: list[list[Json]] = []
    for pod in sorted(pods, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"])):
        if pod["metadata"]["name"] == "oom-0":
            found.append([])
        if pod["metadata"]["name"].startswith("oom-0"):
            found[-1].append(pod)
    return found


async def test_the_restarts_of_a_group_are_one_report_on_the_leader_worker_set(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    for kind in KINDS:
        server.put(definition(kind))
    server.create_namespace(NAMESPACE)
    objects = recorded()
    pods = [each for each in objects if each["kind"] == "Pod"]
    sets = {each["metadata"]["uid"]: each for each in objects if each["kind"] == "StatefulSet"}
    for each in objects:
        if each["kind"] == "LeaderWorkerSet" or (each["kind"] == "StatefulSet" and each["metadata"]["name"] == "oom"):
            server.put(each)
    await operators.start(presets="lws")
    shown: list[tuple[str | None, str | None, str | None]] = []
    groups = generations(pods)
    assert [len(group) for group in groups] == [3, 3, 3, 3]
    for number, group in enumerate(groups):
        leader = group[0]["metadata"]["uid"]
        workers = [each for each in sets.values() if _owner(each) == leader]
        for each in (*workers, *map(running, group)):
            server.put(each)
        killed = [pod for pod in group if was_killed(pod)]
        for pod in killed:
            server.put(out_of_memory(pod))
            await _counted(reports, number + 1)
        if killed:
            for pod in group:  # all of them are deleted, and end with 137
                server.put(pod)
            for each in (*group, *workers):
                server.delete(each["kind"], each["metadata"]["name"], NAMESPACE)
        status = reports.status("oom")
        shown.append((status.get("state"), status.get("subcategory"), status.get("initiator", {}).get("pod")))
    assert shown[:3] == [("Failing", "oom-killed", "oom-0-1")] * 3
    await settled(server, operators, reports)
    [report] = [each for each in server.objects("FailureReport") if each["metadata"]["namespace"] == NAMESPACE]
    assert report["spec"]["workload"]["display"] == "LeaderWorkerSet/oom"
    assert report["status"]["failures"] == 3
    assert {record["subcategory"] for record in report["status"]["history"]} == {"oom-killed"}


async def _counted(reports: Reports, failures: int) -> None:
    await until(lambda: reports.failures("oom") == failures)


def _owner(each: Json) -> str:
    return str(each["metadata"]["ownerReferences"][0]["uid"])
