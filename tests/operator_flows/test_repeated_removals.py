"""Scale-downs, roll-outs and scales to zero, 50 times with six kinds, as a kubelet reports them: no failures.

The states of a removed pod are those that were recorded of a Rollout's scale-down and of a LeaderWorkerSet's groups
(Kubernetes 1.36): marked; its containers have ended with 137 or 143 and the phase is Failed; the kubelet's own deletion
with a grace period of 0, which a finalizer can delay; gone. A watch that was interrupted shows only some of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.operator_flows.test_recovering import settled
from tests.support.live_objects import ago, ended, event, live_pod
from tests.support.operators import Operators
from tests.support.owner_chains import KINDS, definition, obj, owned_by
from tests.support.pods import Json, condition
from tests.support.reports import Reports
from tests.support.waiting import until

REPETITIONS = 50
PRESETS = "argo,knative,lws,kruise,ray,cnpg"
GRACE = 30


class Kind(NamedTuple):
    owners: str
    """From the object that the user made to the one that controls the pods."""
    sidecars: tuple[str, ...] = ()


KNATIVE = "Service > Configuration > Revision > Deployment > ReplicaSet"
WORKLOADS = {
    "rollout": Kind("Rollout > ReplicaSet"),
    "knative": Kind(KNATIVE, sidecars=("queue-proxy",)),
    "lws": Kind("LeaderWorkerSet > StatefulSet"),
    "cloneset": Kind("CloneSet"),
    "raycluster": Kind("RayCluster"),
    "cnpg": Kind("Cluster"),
}
"""By name of the user's object."""


def put_owners(server: EmbeddedApiServer, name: str, chain: str) -> Json:
    """Make the objects; the last one of the chain. The first has this name."""
    made: list[Json] = []
    for number, word in enumerate(chain.split(" > ")):
        owners = [owned_by(made[-1])] if made else []
        made.append(server.put(obj(word, f"{name}-{number}" if number else name, "default", *owners)))
    return made[-1]


def healthy(name: str, owner: Json, sidecars: tuple[str, ...]) -> Json:
    """A Ready pod that has run for ten minutes."""
    pod = live_pod(name, owner=owner, created=ago(minutes=10))
    for sidecar in sidecars:
        pod["spec"]["containers"].append({**pod["spec"]["containers"][0], "name": sidecar})
        pod["status"]["containerStatuses"].append({**pod["status"]["containerStatuses"][0], "name": sidecar})
    pod["status"]["conditions"] = [
        condition(type_, "True", at=ago(minutes=9)) for type_ in ("PodScheduled", "Ready", "ContainersReady")
    ]
    return pod


def marked(pod: Json) -> Json:
    """Its deletion was requested five seconds ago."""
    deletion = {"deletionTimestamp": ago(seconds=5 - GRACE), "deletionGracePeriodSeconds": GRACE}
    return {**pod, "metadata": {**pod["metadata"], **deletion}}


def stopped(pod: Json, exit_code: int, number: int = 1) -> Json:
    """Its containers have ended two seconds ago; sidecars end with 0."""
    statuses = []
    for container in pod["status"]["containerStatuses"]:
        code = exit_code if container["name"] == "main" else 0
        state = ended(code, "Error" if code else "Completed", number=number)
        state["terminated"] |= {"startedAt": ago(minutes=10), "finishedAt": ago(seconds=2)}
        statuses.append({**container, "state": state, "ready": False})
    unready = [condition(type_, "False", "PodFailed", at=ago(seconds=2)) for type_ in ("Ready", "ContainersReady")]
    status = {
        "phase": "Failed",
        "containerStatuses": statuses,
        "conditions": [pod["status"]["conditions"][0], *unready],
    }
    return {**pod, "status": {**pod["status"], **status}}


def deleted_by_kubelet(pod: Json) -> Json:
    """Both times of the deletion are overwritten."""
    deletion = {"deletionTimestamp": ago(seconds=1), "deletionGracePeriodSeconds": 0}
    return {**pod, "metadata": {**pod["metadata"], **deletion}}


class Removals:
    """Pods that controllers remove, and the states that a watch shows of them."""

    def __init__(self, server: EmbeddedApiServer, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self._owners = {name: put_owners(server, name, kind.owners) for name, kind in WORKLOADS.items()}
        self.removed = 0

    def repetition(self, number: int) -> Iterator[str]:
        """One removal of each kind, side by side; stops between two states."""
        removals = [self._removal(name, number) for name in WORKLOADS]
        while removals:
            removal = self._rng.choice(removals)
            if next(removal, None) is None:
                removals.remove(removal)
            yield "a state was shown"

    def fail(self, name: str, exit_code: int) -> Json:
        """A pod that ends in the same way, and that nobody had deleted."""
        pod = self._server.put(healthy(f"{name}-failed-{exit_code}", self._owners[name], WORKLOADS[name].sidecars))
        return self._server.put(stopped(pod, exit_code, number=exit_code))

    def _removal(self, name: str, number: int) -> Iterator[Json]:
        """Scale-down: one of two pods; to zero: both; roll-out: both, one after the other, and others come."""
        action = ("down", "to zero", "roll-out")[number % 3]
        names = [f"{name}-{number}-{member}" for member in range(2)]
        pods = [self._put(name, pod) for pod in names]
        yield pods[0]
        for pod in pods[:1] if action == "down" else pods:
            if action == "roll-out" and name != "cnpg":
                yield self._put(name, f"{pod['metadata']['name']}-new")
            yield from self._remove(pod)
            if action == "roll-out" and name == "cnpg":  # the new pod has the name and the volume of the old one
                yield self._put(name, pod["metadata"]["name"])
        if name == "lws":
            yield from self._remove_group(number)

    def _remove_group(self, number: int) -> Iterator[Json]:
        """A leader that waits for its workers, whose StatefulSet it owns."""
        leader = self._put("lws", f"lws-group-{number}")
        workers = self._server.put(obj("StatefulSet", f"lws-group-{number}", "default", owned_by(leader)))
        worker = self._server.put(healthy(f"lws-group-{number}-1", workers, ()))
        yield worker
        leader["metadata"]["finalizers"] = ["foregroundDeletion"]
        yield self._server.put(marked(leader))
        self._server.delete("StatefulSet", workers["metadata"]["name"])
        yield from self._remove(worker)
        yield from self._remove(leader)

    def _put(self, name: str, pod: str) -> Json:
        return self._server.put(healthy(pod, self._owners[name], WORKLOADS[name].sidecars))

    def _remove(self, pod: Json) -> Iterator[Json]:
        self._server.put(event(pod, "Killing", "Stopping container main", "Normal"))
        last = stopped(marked(pod), self._rng.choice((137, 143)))
        states = [marked(pod), last, deleted_by_kubelet(last)]
        shown = [state for state in states if self._rng.random() < 0.7]
        for state in shown:
            yield self._server.put(state)
        self._server.delete("Pod", pod["metadata"]["name"])
        self.removed += 1


@pytest.mark.timeout(600)  # usual: half a minute
async def test_removals_make_no_report_in_50_repetitions_of_six_kinds(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    for kind in KINDS:
        server.put(definition(kind))
    removals = Removals(server, random.Random(50))
    operator = await operators.start(presets=PRESETS)
    for number in range(REPETITIONS):
        for step, _ in enumerate(removals.repetition(number)):
            if number % 2:
                await asyncio.sleep(0)  # else all states are there before the first one is processed
            if step == 7 and number % 10 == 4:
                server.expire_watches()  # a LIST shows what there is at that moment
            if step == 7 and number % 10 == 8:
                await operator.stop()
                operator = await operators.start(presets=PRESETS)
        if number % 5 == 4:
            await settled(server, operators, reports, f"witness-{number}")
    assert removals.removed >= REPETITIONS * len(WORKLOADS)
    assert {report["spec"]["workload"]["kind"] for report in server.objects("FailureReport")} == {"Pod"}
    for name in WORKLOADS:
        for exit_code in (137, 143):
            removals.fail(name, exit_code)
    wanted = dict.fromkeys(WORKLOADS, 2)
    await until(lambda: {name: reports.failures(name) for name in WORKLOADS} == wanted)
    await settled(server, operators, reports)
    assert {name: reports.failures(name) for name in WORKLOADS} == wanted
    assert {reports.state(name) for name in WORKLOADS} == {"Failing"}
