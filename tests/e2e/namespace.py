"""One test's namespace on a real Kubernetes, and what is asked of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.server import Server
from tests.e2e.manifests import Manifest

Report = dict[str, Any]


@dataclass(frozen=True)
class Namespace:
    server: Server
    name: str

    def apply(self, *manifests: Manifest) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.server.kubectl("apply", "-n", self.name, "-f", "-", input=json.dumps(document))

    def create(self, manifest: Manifest) -> None:
        self.server.kubectl("create", "-n", self.name, "-f", "-", input=json.dumps(manifest))

    def objects(self, kind: str, *options: str) -> list[dict[str, Any]]:
        text = self.server.kubectl("get", kind, "-n", self.name, "-o", "json", *options)
        items: list[dict[str, Any]] = json.loads(text)["items"]
        return items

    def set_status(self, pod: str, status: Mapping[str, Any]) -> None:
        patch = json.dumps({"status": status})
        self.server.kubectl("patch", "pod", pod, "-n", self.name, "--subresource=status", "--type=merge", "-p", patch)

    def report(self, kind: str, name: str) -> Report:
        """The FailureReport of this workload; LookupError where there is none."""
        for report in self.objects("failurereports"):
            workload = report["spec"]["workload"]
            if (workload["kind"], workload["name"]) == (kind, name) and "status" in report:
                return report
        raise LookupError(f"no report of {kind}/{name}")

    def failures(self, kind: str, name: str) -> int:
        """How many failures the report counts."""
        count: int = self.report(kind, name)["status"]["failures"]
        return count
