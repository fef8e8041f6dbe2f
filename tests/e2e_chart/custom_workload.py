"""A custom kind on the cluster, and what its controller would do: a test plays it, the pods are real."""

import json
from dataclasses import dataclass
from typing import Any

from tests.e2e.manifests import Manifest, make_container
from tests.e2e.namespace import Namespace
from tests.e2e_chart.kubectl_view import event_on
from tests.workload_status import kinds

Object = dict[str, Any]


@dataclass(frozen=True)
class Trainings:
    """Objects of the kind Training of GROUP in a namespace."""

    namespace: Namespace
    group: str

    @property
    def word(self) -> str:
        return self.group.partition(".")[0]

    @property
    def definition(self) -> str:
        return f"trainings.{self.group}"

    @property
    def listed(self) -> dict[str, str]:
        """As the chart's ``workloads`` want it."""
        return {"group": self.group, "version": "*", "resource": "trainings"}

    def install(self, status: kinds.Schema) -> None:
        """The definition, with this schema of the status; it is served when this returns."""
        kubectl = self.namespace.server.kubectl
        kubectl("apply", "--server-side", "-f", "-", input=json.dumps(kinds.crd(self.group, status)))
        kubectl("wait", "--for=condition=Established", f"crd/{self.definition}", "--timeout=30s")

    def remove(self) -> None:
        self.namespace.server.kubectl("delete", "crd", self.definition, "--ignore-not-found", "--wait=true")

    def make(self, name: str, phase: str) -> None:
        """An object, with a status as a controller writes it."""
        made = {"apiVersion": f"{self.group}/v1", "kind": "Training", "metadata": {"name": name}, "spec": {}}
        self.namespace.create(made)
        patch = json.dumps({"status": {"phase": phase}})
        self._kubectl("patch", name, "--subresource=status", "--type=merge", "-p", patch)

    def owned(self, name: str, manifest: Manifest) -> Manifest:
        """The manifest of what the object NAME controls."""
        live = self._read(name)
        owner = {"apiVersion": live["apiVersion"], "kind": live["kind"], "name": name, "uid": live["metadata"]["uid"]}
        reference = {**owner, "controller": True, "blockOwnerDeletion": True}
        return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [reference]}}

    def status(self, name: str) -> Object:
        status: Object = self._read(name).get("status", {})
        return status

    def condition(self, name: str) -> dict[str, str]:
        """Coroner's own; LookupError where there is none."""
        for condition in self.status(name).get("conditions", ()):
            if condition["type"] == "coroner.dev/Failing":
                ours: dict[str, str] = condition
                return ours
        raise LookupError(f"no condition of Coroner's on {name}")

    def report(self, name: str) -> Object:
        """The status of its FailureReport; LookupError where there is none."""
        uid = self._read(name)["metadata"]["uid"]
        reports = self.namespace.objects("failurereports")
        found = next((each for each in reports if each["spec"]["workload"]["uid"] == uid), {})
        status: Object = found["status"]
        return status

    def event(self, name: str) -> Object:
        """Coroner's on it; LookupError where there is none."""
        return event_on(self.namespace, "Training", name, self._read(name)["metadata"]["uid"])

    def _read(self, name: str) -> Object:
        live: Object = json.loads(self._kubectl("get", name, "-o", "json"))
        return live

    def _kubectl(self, verb: str, name: str, *options: str) -> str:
        where = (f"{self.definition}/{name}", "-n", self.namespace.name)
        return self.namespace.server.kubectl(verb, *where, *options)


def make_pod(name: str, script: str) -> Manifest:
    """A pod that runs SCRIPT once."""
    spec = {"restartPolicy": "Never", "containers": [make_container(script)]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
