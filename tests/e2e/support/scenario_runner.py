"""Where scenarios are results: a real Kubernetes, watched."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.server import KubectlError, Server
from tests.e2e.support.scenario import Manifest, Scenario, Seen
from tests.support.waiting import WAIT_FACTOR, wait_for

WATCHED = {
    "Pod": "/api/v1/pods",
    "Event": "/api/v1/events",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Deployment": "/apis/apps/v1/deployments",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
}
ADMISSION = ("ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration")


class ScenarioRunner:
    """Remembers every object that it has seen, so that pods that vanish are not lost."""

    def __init__(self, server: Server, prefix: str = "", also: Mapping[str, str] | None = None) -> None:
        """ALSO: kind → path of what else is watched, for ``objects()``."""
        self.server = server
        self.prefix = prefix
        """Before every namespace's name."""
        self._paths = {**WATCHED, **(also or {})}
        self._objects: dict[str, dict[str, Manifest]] = {kind: {} for kind in self._paths}
        self._gone: set[str] = set()
        self._changed = threading.Condition()

    @property
    def state(self) -> Path:
        """The folder of tests/cluster/up, whose kubeconfig this is; elsewhere it holds no "conf"."""
        return self.server.kubeconfig.parent

    @contextmanager
    def watching(self) -> Iterator[None]:
        programs = [self._watch(kind, path) for kind, path in self._paths.items()]
        try:
            yield
        finally:
            for program in programs:
                program.terminate()
                program.wait()

    def apply(self, scenario: Scenario) -> None:
        namespace = self.namespace(scenario)
        for part in _by_rank(scenario.manifests):
            document = {"apiVersion": "v1", "kind": "List", "items": part}
            self.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(document))
            if any(m["kind"] in ADMISSION for m in part):
                self._wait_until_refused(scenario, namespace)

    def _wait_until_refused(self, scenario: Scenario, namespace: str) -> None:
        """An API server reads new policies and webhooks in the background: until then it lets pods in."""
        template = next(m for m in scenario.manifests if m["kind"] == scenario.kind)["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": "refused"}}

        def is_refused() -> bool:
            try:
                self.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", input=json.dumps(pod))
            except KubectlError as error:
                return "denied" in str(error) or "failed calling webhook" in str(error)
            return False

        wait_for(is_refused, scenario.timeout, f"the API server refuses pods of {scenario.name}")

    def delete(self, scenario: Scenario) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(scenario.manifests)}
        options = ("--ignore-not-found", "--wait=false", "--grace-period=1")
        self.kubectl("delete", "-n", self.namespace(scenario), *options, "-f", "-", input=json.dumps(document))

    def namespace(self, scenario: Scenario) -> str:
        return self.prefix + scenario.namespace

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - subprocess' own word
        return self.server.kubectl(*args, input=input)

    def seen(self, scenario: Scenario) -> Seen:
        with self._changed:
            return self._seen(scenario)

    def wait_for(self, scenario: Scenario, holds: Callable[[Seen], bool], seconds: float) -> Seen:
        """What is seen once HOLDS is true of it; TimeoutError after so many seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            while not holds(seen := self._seen(scenario)):
                if not self._changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() >= end:
                    raise TimeoutError(f"{scenario.name} did not come about in {seconds:.0f} s")
            return seen

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether CONDITION, which is asked whenever anything has changed, became true in so many seconds."""
        with self._changed:
            return self._changed.wait_for(condition, seconds * WAIT_FACTOR)

    def wait_until_quiet(self, scenario: Scenario, seconds: float = 2) -> Seen:
        """Events come a moment after the status: what is seen once nothing new has come for so long."""
        seen = self.seen(scenario)
        while True:
            try:
                before = seen
                seen = self.wait_for(scenario, lambda now: now != before, seconds)  # noqa: B023 - called at once
            except TimeoutError:
                return seen

    def _seen(self, scenario: Scenario) -> Seen:
        namespace = self.namespace(scenario)
        pods = [p for p in self._of("Pod", namespace) if _is_pod_of(scenario, p)]
        pods.sort(key=lambda p: (p["metadata"]["creationTimestamp"], p["metadata"]["name"]))
        pod = pods[-1] if pods else {}
        owner: Manifest = {}
        between: list[str] = []
        if scenario.kind != "Pod":
            same_name = [o for o in self._of(scenario.kind, namespace) if o["metadata"]["name"] == scenario.name]
            owner = same_name[-1] if same_name else {}
            between = [_uid(o) for k in ("ReplicaSet", "Job") for o in self._of(k, namespace) if _owned(o, _uid(owner))]
        return Seen(
            pod=pod,
            pods=pods,
            events=self._events_about([_uid(pod)]),
            owner=owner,
            owner_events=self._events_about([_uid(owner), *between]),
            gone=_uid(pod) in self._gone,
        )

    def objects(self, kind: str, namespace: str) -> list[Manifest]:
        """As they were last seen, those that are gone too."""
        with self._changed:
            return self._of(kind, namespace)

    def replica_sets(self, scenario: Scenario, owner: Manifest) -> list[Manifest]:
        with self._changed:
            return [o for o in self._of("ReplicaSet", self.namespace(scenario)) if _owned(o, _uid(owner))]

    def events_about(self, obj: Manifest) -> list[Manifest]:
        with self._changed:
            return self._events_about([_uid(obj)])

    def _events_about(self, uids: list[str]) -> list[Manifest]:
        found = [e for e in self._objects["Event"].values() if e["involvedObject"].get("uid") in uids and uids]
        return sorted(found, key=lambda e: (e["metadata"]["creationTimestamp"], e["metadata"]["name"]))

    def _of(self, kind: str, namespace: str) -> list[Manifest]:
        return [o for o in self._objects[kind].values() if o["metadata"]["namespace"] == namespace]

    def _watch(self, kind: str, path: str) -> subprocess.Popen[str]:
        command = [self.server.kubectl_program, "--kubeconfig", str(self.server.kubeconfig)]
        command += ["get", "--raw", f"{path}?watch=1"]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert program.stdout is not None
        threading.Thread(target=self._read, args=(kind, program.stdout), daemon=True).start()
        return program

    def _read(self, kind: str, lines: Iterable[str]) -> None:
        for line in lines:
            change = json.loads(line)
            obj = change["object"]
            if change["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                continue
            with self._changed:
                # An event that is gone says as much as before; of a pod its last state is kept.
                self._objects[kind][_uid(obj)] = {"kind": kind, **obj}
                if change["type"] == "DELETED":
                    self._gone.add(_uid(obj))
                self._changed.notify_all()

    def try_kubectl(self, *args: str) -> str:
        """Its output, or what it said against it."""
        try:
            return self.kubectl(*args)
        except KubectlError as error:
            return str(error)


def _by_rank(manifests: Iterable[Manifest]) -> Iterator[list[Manifest]]:
    """What others need comes first: a LimitRange or a policy acts on what is made after it."""
    workloads = ("Pod", *WATCHED)
    first = [m for m in manifests if m["kind"] not in workloads]
    rest = [m for m in manifests if m["kind"] in workloads]
    yield from (part for part in (first, rest) if part)


def _is_pod_of(scenario: Scenario, pod: Manifest) -> bool:
    metadata = pod["metadata"]
    if scenario.kind == "Pod":
        return bool(metadata["name"] == scenario.name)
    return bool(metadata.get("labels", {}).get("app") == scenario.name)


def _owned(obj: Manifest, uid: str) -> bool:
    return any(r["uid"] == uid for r in obj["metadata"].get("ownerReferences", ()))


def _uid(obj: Manifest) -> str:
    return str(obj["metadata"]["uid"]) if obj else ""
