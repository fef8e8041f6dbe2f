"""Cases of real controllers, run beside each other and beside the operator, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.controllers.definitions import CALLED_FOR
from tests.cluster.server import KubectlError, Server
from tests.e2e.controllers.case import Case, Expected, Step, matches
from tests.e2e.controllers.history import History, Versions
from tests.e2e.manifests import make_job
from tests.support.waiting import wait_for

# Sixty pods start at once, on as few as two cores.
STEP_SECONDS = 120
END_SECONDS = 60
REPORTS = "/apis/coroner.dev/v1alpha1/failurereports"
SENTINEL = "sentinel"

Object = dict[str, Any]


@dataclass
class Outcome:
    """What came of one case."""

    case: Case
    fault: str = ""
    """Why the cluster did not show what the case is about; "" = it did."""
    reports: list[Versions] = field(default_factory=list)
    """Of all workloads whose names begin like the case's."""
    workload: Object = field(default_factory=dict)
    """The user's object in the end."""
    events: list[Object] = field(default_factory=list)
    """Coroner's, about the user's object."""


def watched(cases: Sequence[Case]) -> dict[str, str]:
    """Kind → path of its list: of pods, Events, reports and the users' objects."""
    paths = {"Pod": "/api/v1/pods", "Event": "/apis/events.k8s.io/v1/events", "FailureReport": REPORTS}
    for case in cases:
        kind = case.objects[-1]["kind"]
        paths[kind] = f"/apis/{case.objects[-1]['apiVersion']}/{kind.lower()}s"
    return paths


@contextmanager
def namespaces(server: Server, names: Sequence[str]) -> Iterator[None]:
    labels = dict(CALLED_FOR)
    made = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}} for n in names]
    _create(server, made)
    try:
        for name in names:
            find = ("get", "serviceaccounts", "-n", name, "-o", "name")
            wait_for(lambda find=find: server.kubectl(*find), 30, f"a service account in {name}")  # type: ignore[misc]
        yield
    finally:
        server.kubectl("delete", "namespace", "--ignore-not-found", "--wait=false", *names)


def run_all(server: Server, history: History, cases: Mapping[str, Sequence[Case]]) -> dict[tuple[str, str], Outcome]:
    """CASES: by namespace. All at the same time; what comes of each, by namespace and name."""
    for namespace, some in cases.items():
        _create(server, [each for case in some for each in case.objects], namespace)
    runs = [CaseRun(server, history, namespace, case) for namespace, some in cases.items() for case in some]
    with ThreadPoolExecutor(len(runs)) as pool:
        faults = list(pool.map(CaseRun.fault, runs))
    for namespace in cases:
        history.wait_for(lambda n=namespace: _all_deleted(history.of("Pod", n)), END_SECONDS)  # type: ignore[misc]
    # What failed last is reported last: whatever could still be reported of the cases has been by then.
    namespace = next(iter(cases))
    _create(server, [make_job(SENTINEL, "exit 3")], namespace)
    reported = history.wait_for(lambda: _report_of(history, namespace, f"Job/{SENTINEL}"), END_SECONDS)
    assert reported is not None, f"no report of Job/{SENTINEL}"
    return {(run.namespace, run.case.name): run.outcome(fault) for run, fault in zip(runs, faults, strict=True)}


def _create(server: Server, objects: list[Object], namespace: str = "") -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": objects}
    options = ("-n", namespace) if namespace else ()
    server.kubectl("create", "--validate=false", *options, "-f", "-", input=json.dumps(document), timeout=180)


def _all_deleted(pods: Sequence[Versions]) -> bool | None:
    """True once no pod is being deleted."""
    return None if any("deletionTimestamp" in p.newest["metadata"] and not p.deleted for p in pods) else True


def _report_of(history: History, namespace: str, workload: str) -> Object | None:
    """The report once it has a status."""
    for report in history.of("FailureReport", namespace):
        if report.newest["spec"]["workload"]["display"] == workload and "status" in report.newest:
            return report.newest
    return None


class CaseRun:
    def __init__(self, server: Server, history: History, namespace: str, case: Case) -> None:
        self.namespace = namespace
        self.case = case
        self._server = server
        self._history = history
        self._done: set[str] = set()
        """IDs of the containers to which a step was done."""

    def fault(self) -> str:
        """Take its steps and wait for its end; why it did not come, or ""."""
        try:
            for number, step in enumerate(self.case.steps, 1):
                pod = self._history.wait_for(lambda step=step: self._pod_for(step), STEP_SECONDS)  # type: ignore[misc]
                if pod is None:
                    return f"step {number}: no {step.pod} runs: {self._summary()}"
                self._take(step, pod)
            if self._history.wait_for(lambda: self._is_over() or None, END_SECONDS) is None:
                return f"the end did not come: {self._summary()}"
        except KubectlError as error:
            return str(error)
        return ""

    def outcome(self, fault: str) -> Outcome:
        reports = [r for r in self._history.of("FailureReport", self.namespace) if self._is_about(r.newest)]
        workload = self._workload()
        events = [e.newest for e in self._history.of("Event", self.namespace) if self._is_ours(e.newest)]
        return Outcome(self.case, fault, [r for r in reports if "status" in r.newest], workload, events)

    def _is_about(self, report: Object) -> bool:
        name = str(report["spec"]["workload"]["name"])
        return name == self.case.name or self.case.is_pod(name)

    def _is_ours(self, event: Object) -> bool:
        about = event.get("regarding", {})
        return bool(
            f"{about.get('kind')}/{about.get('name')}" == self.case.workload
            and "coroner" in event.get("reportingController", "")
        )

    def _workload(self) -> Object:
        kind, _, name = self.case.workload.partition("/")
        found = [w for w in self._history.of(kind, self.namespace) if w.newest["metadata"]["name"] == name]
        return found[-1].newest if found else {}

    def _pods(self) -> list[Versions]:
        return [p for p in self._history.of("Pod", self.namespace) if self.case.is_pod(p.newest["metadata"]["name"])]

    def _pod_for(self, step: Step) -> Object | None:
        running = [p.newest for p in self._pods() if not p.deleted and _runs(p.newest)]
        if len(running) < step.running:
            return None
        fitting = [
            p for p in running if matches(step.pod, p["metadata"]["name"]) and _container_id(p) not in self._done
        ]
        return fitting[0] if fitting else None

    def _take(self, step: Step, pod: Object) -> None:
        self._done.add(_container_id(pod))
        script = 'printf "%s\\n" "$1" >/tmp/next && mv /tmp/next /tmp/do'
        command = ("--", "sh", "-c", script, "sh", step.do)
        self._server.kubectl("exec", "-n", self.namespace, pod["metadata"]["name"], *command)

    def _is_over(self) -> bool:
        if self.case.ends and not _is_true(self._workload(), self.case.ends):
            return False
        expected = self.case.expected
        return expected is None or is_as_expected(
            _report_of(self._history, self.namespace, expected.workload), expected
        )

    def _summary(self) -> str:
        pods = {p.newest["metadata"]["name"]: _brief(p) for p in self._pods()}
        reports = [_brief_report(r) for r in self.outcome("").reports]
        status = self._workload().get("status", {})
        return json.dumps({"pods": pods, "reports": reports, "workload": status})[:6000]


def is_as_expected(report: Object | None, expected: Expected) -> bool:
    """Its state is that of the end, and the failure that it counts or names is the expected one."""
    if report is None or report["status"]["state"] != expected.state:
        return False
    return count_of(report, expected.verdict) > 0


def verdict_of(status: Object) -> str:
    return f"{status.get('category')}/{status.get('subcategory')}"


def count_of(report: Object, verdict: str) -> int:
    return sum(entry["count"] for entry in report["status"].get("counts", ()) if verdict_of(entry) == verdict)


def _is_true(obj: Object, condition: str) -> bool:
    conditions = obj.get("status", {}).get("conditions", ())
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


def _runs(pod: Object) -> bool:
    """Its first container does, and nobody deletes it."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return bool(statuses) and "running" in statuses[0].get("state", {})


def _container_id(pod: Object) -> str:
    return str(pod["status"]["containerStatuses"][0]["containerID"])


def _brief(pod: Versions) -> Object:
    status = pod.newest.get("status", {})
    states = [s.get("state") for s in status.get("containerStatuses", ())]
    return {"phase": status.get("phase"), "states": states, "deleted": pod.deleted}


def _brief_report(report: Versions) -> list[str]:
    """What it said, one entry a version."""
    lines = []
    for version in report.all:
        status = version.get("status", {})
        pod = status.get("pod", {}).get("name", "")
        counts = {verdict_of(c): c["count"] for c in status.get("counts", ())}
        lines.append(
            f"{version['spec']['workload']['display']} {status.get('state')} {verdict_of(status)} {pod} {counts}"
        )
    return lines
